#!/usr/bin/env python3
"""shape.py SERVICE OPERATION FILE…: whether the files are input of an AWS operation, by botocore's model of it.

Names, types, what is required, lengths – and, which botocore itself does not look at, the values of enumerations and
patterns.
"""

import json
import re
import sys
from pathlib import Path

import botocore.session
from botocore.validate import ParamValidator


def values(shape, value, path: str) -> list[str]:
    """What is wrong with the texts of a value."""
    if shape.type_name == "structure":
        return [wrong for name, member in value.items() for wrong in values(shape.members[name], member, f"{path}.{name}")]
    if shape.type_name == "list":
        return [wrong for number, one in enumerate(value) for wrong in values(shape.member, one, f"{path}[{number}]")]
    if shape.type_name != "string":
        return []
    if getattr(shape, "enum", None) and value not in shape.enum:
        return [f"{path} is {value}, and none of {shape.enum}"]
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(pattern, value):
        return [f"{path} is {value}, which is not like {pattern}"]
    return []


def main() -> int:
    service, operation, *files = sys.argv[1:]
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    wrong = []
    for file in files:
        document = json.loads(Path(file).read_text())
        report = ParamValidator().validate(document, shape).generate_report()
        wrong += [f"{file}: {line}" for line in (report.splitlines() or values(shape, document, operation))]
    print("\n".join(wrong), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
