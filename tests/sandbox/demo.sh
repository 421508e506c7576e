#!/usr/bin/env bash
# The documented CronJob against a local AWS: a pod of account 111111111111 runs Glue jobs of account 222222222222.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet -p sandbox -p glue-trigger
bin=$PWD/target/debug
dir=$(mktemp -d)
trap 'kill "$sandbox" 2>/dev/null || true; wait "$sandbox" 2>/dev/null || true; rm -rf "$dir"' EXIT

"$bin/sandbox" --world tests/sandbox/worlds/two-accounts.toml --write-dir "$dir" >"$dir/addresses" 2>"$dir/requests" &
sandbox=$!
for _ in $(seq 100); do [ -f "$dir/env" ] && break; sleep 0.1; done

url=$(sed -n 's/^AWS_ENDPOINT_URL=//p' "$dir/env")

# What the pod has mounted: the ConfigMap with the two profiles, and the projected token.
cat >"$dir/aws-config" <<CONFIG
[profile cats]
role_arn = arn:aws:iam::111111111111:role/cats-glue
web_identity_token_file = $dir/token
region=us-east-2

[profile external]
role_arn = arn:aws:iam::222222222222:role/external-glue
role_session_name = lambda-trigger
source_profile = cats
region = us-east-2
CONFIG

pod() {
  echo
  echo "\$ glue-trigger $*"
  local code=0
  env -i AWS_PROFILE=external AWS_DEFAULT_REGION=us-east-2 AWS_CONFIG_FILE="$dir/aws-config" \
    AWS_ENDPOINT_URL="$url" AWS_CA_BUNDLE="$dir/ca.pem" HOSTNAME=demo JOB_LOG_FORMAT=text \
    "$bin/glue-trigger" "$@" || code=$?
  echo "exit code $code"
  [ "$code" = "$expected" ] || { echo "expected $expected" >&2; exit 1; }
}

expected=0 pod --job-name nightly-etl --poll-interval 500ms --logs --idempotency-key demo-1
echo; echo "The same key again: nothing is started, the result is reported."
expected=0 pod --job-name nightly-etl --output text --idempotency-key demo-1
echo; echo "A job that fails."
expected=10 pod --job-name broken-etl --poll-interval 500ms --logs --output text

echo; echo "What the local AWS saw:"
cat "$dir/requests"
