"""The two clients that judge the sandbox: botocore in this process, and the AWS CLI as a process for each call.

Neither is told of an endpoint: they resolve the real names of AWS, and the sandbox's proxy leads all of them to it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import awscli  # its own botocore becomes `botocore` by this, where python3 -S knows no other
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

# An answer of botocore that is read as it comes, and the option of the CLI for the file it is put in.
STREAMS = ("Body", "Payload", "StreamingBody")


class Refused(Exception):
    """An answer of AWS that is an error."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Botocore:
    """Calls by botocore, with its own checks of parameters and its own reading of answers."""

    def __init__(self):
        self.session = botocore.session.get_session()
        # Faults are not this test's subject: an answer that would be tried again is a finding.
        self.config = Config(retries={"max_attempts": 0}, read_timeout=20)
        self.clients = {}

    def knows(self, service, operation):
        return operation in self._client(service).meta.service_model.operation_names

    def __call__(self, service, operation, **parameters):
        client = self._client(service)
        method = {name: python for python, name in client.meta.method_to_api_mapping.items()}[operation]
        try:
            answer = getattr(client, method)(**parameters)
        except ClientError as error:
            raise Refused(error.response["Error"]["Code"]) from error
        return {name: self._whole(value) for name, value in answer.items()}

    def _client(self, service):
        if service not in self.clients:
            self.clients[service] = self.session.create_client(service, config=self.config)
        return self.clients[service]

    @staticmethod
    def _whole(value):
        if hasattr(value, "read"):
            return value.read()
        return list(value) if type(value).__name__ == "EventStream" else value


class Cli:
    """Calls by the AWS CLI, whose command line knows no event streams."""

    COMMANDS = {"s3": "s3api"}

    def __init__(self):
        self.models = Botocore()

    def knows(self, service, operation):
        if not self.models.knows(service, operation):
            return False
        model = self.models._client(service).meta.service_model.operation_model(operation)
        return not model.has_event_stream_output

    def __call__(self, service, operation, **parameters):
        model = self.models._client(service).meta.service_model.operation_model(operation)
        with tempfile.TemporaryDirectory() as folder:
            line = ["aws", self.COMMANDS.get(service, service), kebab(operation), "--output", "json"]
            for name, value in parameters.items():
                option = f"--{kebab(name)}"
                if isinstance(value, bytes):
                    path = Path(folder, "in")
                    path.write_bytes(value)
                    # A stream is named by its file; of a blob the contents are asked for.
                    line += [option, str(path) if service == "s3" else f"fileb://{path}"]
                elif isinstance(value, bool):
                    line.append(option if value else option.replace("--", "--no-", 1))
                else:
                    line += [option, value if isinstance(value, str) else json.dumps(value)]
            out = Path(folder, "out")
            stream = next((name for name in STREAMS if model.get_streaming_output() is not None
                           and name in model.output_shape.members), None)
            if stream:
                line.append(str(out))
            line[:1] = [sys.executable, "-S", "-m", "awscli"]
            done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
            if done.returncode:
                refusal = re.search(r"An error occurred \((\S+)\) when calling", done.stderr)
                if not refusal:
                    raise AssertionError(f"{line}: {done.stderr}")
                raise Refused(refusal[1])
            answer = json.loads(done.stdout or "{}")
            if stream:
                answer[stream] = out.read_bytes()
            return answer


def kebab(name):
    """The CLI's spelling of a name."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1-\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name).lower()


def environment():
    """What both take from the environment; the rest of it is not theirs."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)
    os.environ.update(AWS_EC2_METADATA_DISABLED="true", AWS_MAX_ATTEMPTS="1", AWS_PAGER="",
                      AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
