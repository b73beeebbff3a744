"""A large spec, from a seed: `python -m bench.specs WORKLOADS` writes one to standard output."""

import random
import sys


def spec(workloads: int, seed: int = 1) -> str:
    """Fifty workloads a namespace, which denies by default; each with a Service, and three intents for each."""
    choose = random.Random(seed)
    namespaces = max(1, workloads // 50)
    names = [(f"n{i % namespaces}", f"w{i}") for i in range(workloads)]
    ends = [f"{namespace}/{name}" for namespace, name in names]
    lines = [
        "apiVersion: netspec.dev/v1alpha1",
        "kind: NetworkSpec",
        "metadata: {name: large}",
        "namespaces:",
        *(f"  - {{name: n{i}, defaultDeny: [ingress, egress], allowDNS: true}}" for i in range(namespaces)),
        "workloads:",
        *(f"  - {{name: {w}, namespace: {n}, labels: {{app: {w}}}, ports: [{{port: 8080}}]}}" for n, w in names),
        "services:",
        *(f"  - {{name: {w}, namespace: {n}, selector: {{app: {w}}}, ports: [{{port: 8080}}]}}" for n, w in names),
        "policies:",
        *(
            f"  - {{name: p{i}, from: {source}, to: {destination}, ports: [8080]}}"
            for i, (source, destination) in enumerate(choose.sample(ends, 2) for _ in range(3 * workloads))
        ),
        "stacks: {dev: {cluster: {type: kind, workers: 20}, cni: {provider: calico}}}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(spec(int(sys.argv[1])))
