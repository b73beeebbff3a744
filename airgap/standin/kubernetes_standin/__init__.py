"""TEST STAND-IN for the `kubernetes` Pulumi resource plugin. NOT the real provider.

Only for machines that cannot download Pulumi plugins. It serves the gRPC ResourceProvider protocol for any
`kubernetes:<group>/<version>:<Kind>` token, talking to a real API server with server-side apply, and for Helm releases,
driving a real `helm`. It waits only for what `cluster.ready` knows, and a release for what helm knows (the real one
also for Services, Ingresses, Pods, Jobs, PVCs ...); Chart, yaml, kustomize and *List resources fail, loudly.
"""
