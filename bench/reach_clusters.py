"""Generated clusters for the reachability benchmark: the same bytes for the same arguments.

    python -m bench.reach_clusters 2000 520 > cluster.yaml

A namespace has some 50 workloads, a default deny for ingress, and DNS. The other policies let an application in from a
few others of its namespace, from a neighbouring namespace, or from an address block, half of them with named ports, and
every fourth isolates egress too. `--open N` leaves N namespaces without any policy, which makes the result larger.
"""

import argparse
import random
from collections.abc import Iterator

PER_NAMESPACE = 50

_WORKLOAD = """\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/managed-by: bench
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
        tier: {tier}
        team: {team}
    spec:
      serviceAccountName: {name}
      containers:
      - name: main
        image: registry.example/{namespace}/{name}:1.{replicas}.0
        args: ["--listen", ":{port}"]
        env:
        - name: LOG_LEVEL
          value: info
        ports:
        - name: http
          containerPort: {port}
        - name: metrics
          containerPort: 9090
          protocol: TCP
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
"""

_NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    team: {team}
"""

_DEFAULT_DENY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: {namespace}
spec:
  podSelector: {{}}
  policyTypes:
  - Ingress
"""

_POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
  namespace: {namespace}
spec:
  podSelector:
    matchLabels:
      app: {app}
  policyTypes:
  - Ingress
{egress_type}  ingress:
  - from:
{peers}    ports:
    - port: {port}
      protocol: TCP
{egress}"""

_EGRESS = """\
  egress:
  - to:
    - podSelector:
        matchLabels:
          app: {peer}
    ports:
    - port: http
      protocol: TCP
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
    ports:
    - port: 53
      protocol: UDP
"""


def documents(workloads: int, policies: int, namespaces: int | None = None, open_namespaces: int = 0) -> Iterator[str]:
    """The objects, one YAML document each."""
    dice = random.Random(f"{workloads}/{policies}/{namespaces}/{open_namespaces}")
    count = namespaces or max(2, workloads // PER_NAMESPACE)
    names = [f"ns-{i:03}" for i in range(count)]
    for i, namespace in enumerate(names):
        yield _NAMESPACE.format(namespace=namespace, team=f"team-{i % 7}")
    homes = [names[i % count] for i in range(workloads)]
    for i, namespace in enumerate(homes):
        yield _WORKLOAD.format(
            kind="StatefulSet" if i % 10 == 9 else "Deployment",
            name=f"app-{i}",
            namespace=namespace,
            tier=dice.choice(("front", "middle", "back")),
            team=f"team-{i % 7}",
            replicas=dice.randint(1, 5),
            port=dice.choice((8080, 8081, 9000)),
        )
    closed = names[open_namespaces:]
    for namespace in closed[:policies]:
        yield _DEFAULT_DENY.format(namespace=namespace)
    guarded = [i for i in range(workloads) if homes[i] in set(closed)]
    for number in range(max(0, policies - len(closed))):
        i = guarded[number % len(guarded)]
        near = [(i + count * dice.randint(1, 40)) % workloads for _ in range(dice.randint(1, 3))]
        isolates = number % 4 == 0
        yield _POLICY.format(
            name=f"allow-{number}",
            namespace=homes[i],
            app=f"app-{i}",
            peers="".join(_peers(dice, number, near)),
            port=dice.choice(("http", 8080, 9090)),
            egress_type="  - Egress\n" if isolates else "",
            egress=_EGRESS.format(peer=f"app-{near[0]}") if isolates else "",
        )


def _peers(dice: random.Random, number: int, near: list[int]) -> Iterator[str]:
    for other in near:
        yield f"    - podSelector:\n        matchLabels:\n          app: app-{other}\n"
    if number % 5 == 1:
        yield f"    - namespaceSelector:\n        matchLabels:\n          team: team-{dice.randint(0, 6)}\n"
        yield "      podSelector:\n        matchExpressions:\n        - {key: tier, operator: In, values: [front]}\n"
    if number % 9 == 2:
        block = f"192.0.{number % 200}"
        yield f"    - ipBlock:\n        cidr: {block}.0/24\n        except:\n        - {block}.64/26\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", type=int)
    parser.add_argument("policies", type=int)
    parser.add_argument("--namespaces", type=int)
    parser.add_argument("--open", type=int, default=0)
    args = parser.parse_args()
    print("---\n".join(documents(args.workloads, args.policies, args.namespaces, args.open)), end="")


if __name__ == "__main__":
    main()
