"""TEST STAND-IN for AWS: moto's server, with the operations of EKS that it lacks and AWS's refusals added. NOT AWS.

`python -m airgap.aws PORT` in the environment of `make aws`, on loopback. What it shows: order, shapes, what is left
behind, who may enter. What it does not: IAM's decisions, quotas, real waits, load balancers, whether a pod gets an
address. It keeps a log of every call that changes something (GET /netspec/calls), and POST /netspec/set steers it.
"""
