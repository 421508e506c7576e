#!/usr/bin/env bash
# The documented jobs against a local AWS: a pod of account 111111111111 runs Glue jobs, invokes functions, asks a model,
# runs a DAG and reaches a cluster of account 222222222222.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Not --quiet: the first build takes minutes.
cargo build -p sandbox -p glue-trigger -p lambda-invoke -p sagemaker-invoke -p mwaa-token -p eks-token -p chain-check
bin=$PWD/target/debug
dir=$(mktemp -d)
trap 'kill "$sandbox" 2>/dev/null || true; wait "$sandbox" 2>/dev/null || true; rm -rf "$dir"' EXIT

"$bin/sandbox" --world tests/sandbox/worlds/two-accounts.toml --write-dir "$dir" >"$dir/addresses" 2>"$dir/requests" &
sandbox=$!
for _ in $(seq 100); do [ -f "$dir/env" ] && break; sleep 0.1; done

url=$(sed -n 's/^AWS_ENDPOINT_URL=//p' "$dir/env")
proxy=$(sed -n 's/^SANDBOX_PROXY_URL=//p' "$dir/env")

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
  echo "\$ $*"
  local program=$1
  shift
  local code=0
  env -i AWS_PROFILE=external AWS_DEFAULT_REGION=us-east-2 AWS_CONFIG_FILE="$dir/aws-config" \
    AWS_ENDPOINT_URL="$url" AWS_CA_BUNDLE="$dir/ca.pem" HOSTNAME=demo JOB_LOG_FORMAT=text ${also:+"${also[@]}"} \
    "$bin/$program" "$@" || code=$?
  echo; echo "exit code $code"
  [ "$code" = "$expected" ] || { echo "expected $expected" >&2; exit 1; }
}

expected=0 pod glue-trigger --job-name nightly-etl --poll-interval 500ms --logs --idempotency-key demo-1
echo; echo "The same key again: nothing is started, the result is reported."
expected=0 pod glue-trigger --job-name nightly-etl --output text --idempotency-key demo-1
echo; echo "A job that fails."
expected=10 pod glue-trigger --job-name broken-etl --poll-interval 500ms --logs --output text

echo; echo "A Lambda function, whose answer must say that all is well."
expected=0 pod lambda-invoke --function-name nightly-report --payload '{}' --expect "status == 'ok'"
echo; echo "A function that fails: the AWS CLI would exit with 0."
expected=10 pod lambda-invoke --function-name broken-report --payload '{}'
echo; echo "Three lines, three invocations, three answers in order."
printf '{"order":1}\n{"order":2}\n{"order":3}\n' >"$dir/orders.jsonl"
expected=0 pod lambda-invoke --function-name nightly-report --batch "$dir/orders.jsonl"
echo; echo "A model behind a SageMaker endpoint."
expected=0 pod sagemaker-invoke endpoint --endpoint-name scoring --content-type text/csv --body "1,2,3"

# Web servers of MWAA have hosts of their own, and its API has several: a proxy leads them all to the local AWS.
also=(HTTPS_PROXY="$proxy" AWS_ENDPOINT_URL_MWAA=https://airflow.us-east-2.amazonaws.com)
echo; echo "A run of a DAG, and Airflow's own command line."
expected=0 pod mwaa-token trigger nightly --environment-name orchestrator --poll-interval 500ms --idempotency-key demo-1
expected=0 pod mwaa-token run --environment-name orchestrator -- version
also=()

echo; echo "Who the two roles are."
expected=0 pod chain-check --output text
echo; echo "kubectl in a cluster of the other account."
expected=0 pod eks-token kubeconfig --cluster-name target --kubeconfig "$dir/kubeconfig" --exec-command "$bin/eks-token" --output text
if kubectl=$(command -v kubectl); then
  echo; echo "\$ kubectl get pods --namespace kube-system"
  env -i AWS_DEFAULT_REGION=us-east-2 AWS_ENDPOINT_URL="$url" KUBECONFIG="$dir/kubeconfig" HOME="$dir" \
    "$kubectl" get pods --namespace kube-system
fi

echo; echo "What the local AWS saw:"
cat "$dir/requests"
