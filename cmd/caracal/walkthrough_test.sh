#!/bin/sh
# walkthrough_test.sh FOLDER: brings a lab up with the programs of FOLDER, runs the walk-through and what stands
# around it, takes the lab down, and compares the machine with what it was before. Needs root and kubectl.
set -u
bin=$1
name=t$(($$ % 1000000))
[ "$(id -u)" = 0 ] || { echo "skipped: needs root"; exit 77; }
command -v kubectl >/dev/null || { echo "skipped: needs kubectl"; exit 77; }
for program in caracal caracal-apiserver caracal-agent caracal-cni caracal-lab-pod; do
  [ -x "$bin/$program" ] || { echo "skipped: $bin/$program is not built"; exit 77; }
done

status=0
wrong() { echo "WRONG: $*"; status=1; }
caracal() { "$bin/caracal" "$@"; }
# What a lab of this name could leave behind.
traces() {
  ls /run/netns 2>/dev/null | grep "^crl-$name-"
  ls /sys/class/net | grep "^crl-$name$"
  ls -d "/run/caracal/$name" 2>/dev/null
  # Processes: those of the lab carry its name in their environment. Zombies have none.
  for process in /proc/[0-9]*; do
    { tr '\0' '\n' <"$process/environ"; } 2>/dev/null | grep -q "^CARACAL_LAB_PROCESS=$name$" && echo "$process"
  done
}
trap 'caracal lab down --name $name >/dev/null' EXIT INT TERM

[ -z "$(traces)" ] || wrong "before: $(traces)"
caracal lab up --name $name || { echo "the lab does not come up"; exit 1; }
export KUBECONFIG=/run/caracal/$name/kubeconfig
caracal lab up --name $name >/dev/null 2>&1 && wrong "the same lab came up twice"
caracal lab status --name $name || wrong "status"

caracal lab demo --name $name || wrong "the walk-through"
caracal lab demo --name $name --script /run/caracal/$name/examples/tiers.yaml || wrong "the walk-through of tiers"

# Packets and policies agree, and what a policy forbids is explained.
cd /run/caracal/$name/examples || exit 1
kubectl apply -n dev -f default-deny-all.yaml -f allow-same-namespace.yaml || wrong "apply"
caracal lab matrix --name $name --nodes || wrong "matrix"
caracal policy explain prod/pod1 dev/pod1 80 -o json | grep -q '"verdict": "denied"' || wrong "explain"
caracal node status || wrong "node status"

# Without an agent a pod does not start, its events say why, and nothing is left of the attempt.
node=$(kubectl get pod pod1 -n dev -o 'jsonpath={.spec.nodeName}')
caracal lab agent stop "$node" --name $name || wrong "agent stop"
sed "s/^spec:/spec:\n  nodeName: $node/" pod-neighbour.yaml | kubectl apply -n dev -f - >/dev/null || wrong "apply"
tries=0
until kubectl get events -n dev | grep -q 'FailedCreatePodSandBox.*code 11'; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { wrong "no event tells that the agent is down"; break; }
  sleep 0.2
done
# (Between two tries: each makes a namespace and takes it back.)
tries=0
while ls /run/netns | grep -q "crl-$name-dev.pod3"; do
  tries=$((tries + 1))
  [ $tries -lt 1200 ] || { wrong "a namespace is left of a pod that did not start"; break; }
  sleep 0.05
done
caracal lab agent start "$node" --name $name || wrong "agent start"
kubectl wait --for=condition=Ready pod/pod3 -n dev --timeout=120s || wrong "the pod does not start after all"

# A wrong command line: usage on standard error and 2.
caracal lab up --nodes 0 2>/dev/null; [ $? = 2 ] || wrong "--nodes 0"
caracal lab up --ipv4-only --ipv6-only 2>/dev/null; [ $? = 2 ] || wrong "conflicting flags"
caracal policy explain dev/pod1 dev/pod2 70000 2>/dev/null; [ $? = 2 ] || wrong "port 70000"

caracal lab down --name $name || wrong "down"
[ -z "$(traces)" ] || wrong "left behind: $(traces)"
caracal lab down --name $name || wrong "down when there is nothing"
exit $status
