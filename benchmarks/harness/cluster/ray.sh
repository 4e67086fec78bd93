#!/bin/bash
# A sweep on a Ray cluster that this script starts on the machines it is given, the first of which leads.
#   benchmarks/harness/cluster/ray.sh "host1 host2 host3" sprites --model all --seeds 10 --out /shared/sprites
# Every machine has the checkout's packages (pip install -e '.[cluster]') and sees the output's folder.
set -euo pipefail
read -r -a hosts <<< "$1"
name=$2
shift 2
head=${hosts[0]}
ssh "$head" ray start --head --port=6379
for host in "${hosts[@]:1}"; do
    ssh "$host" ray start --address="$head:6379"
done
python -m "benchmarks.$name" "$@" --engine ray --ray-address "$head:6379" --retries 3
for host in "${hosts[@]}"; do
    ssh "$host" ray stop
done
