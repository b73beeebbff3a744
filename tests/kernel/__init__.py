"""What this machine's kernel lacks, proven on a second one that runs as an ordinary process (user-mode Linux).

`python -m tests.kernel`, as root: a Kubernetes cluster whose kube-proxy runs in mode ipvs, brought up and verified by
netspec as a cluster that is there already; and, between two such kernels, the data paths that a CNI would use.
Nothing leaves this machine: the kernels have links to each other, or to a network namespace without an uplink.
"""
