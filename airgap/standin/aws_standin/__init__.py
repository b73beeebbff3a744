"""TEST STAND-IN for the `aws` Pulumi resource plugin. NOT the real provider.

Only for machines that cannot download Pulumi plugins. It serves the gRPC ResourceProvider protocol for the types that
an EKS stack uses, by boto3, with the real provider's lists of what replaces a resource (terraform-provider-aws,
internal/service), its automatic names, and its way with what was made and then failed: recorded, with the reason.
"""
