#!/bin/bash
# A sweep on a Ray cluster that this script starts on the machines it is given, the first of which leads.
#   benchmarks/harness/cluster/ray.sh "host1 host2 host3" sprites --model all --seeds 10 --out /shared/sprites
# Every machine has the checkout's packages (pip install -e '.[cluster]') and sees the output's folder. The cluster
# asks for a token: ~/.ray/auth_token, the same on all of them (ray get-auth-token --generate makes it on the first).
set -euo pipefail
read -r -a hosts <<< "$1"
name=$2
shift 2
head=${hosts[0]}
export RAY_AUTH_MODE=token
stop() { for host in "${hosts[@]}"; do ssh "$host" ray stop || true; done; }
trap stop EXIT  # also where the sweep, or the start, fails
ssh "$head" RAY_AUTH_MODE=token ray start --head --port=6379 --include-dashboard=false
for host in "${hosts[@]:1}"; do
    ssh "$host" RAY_AUTH_MODE=token ray start --address="$head:6379"
done
python -m "benchmarks.$name" "$@" --engine ray --ray-address "$head:6379" --retries 3
