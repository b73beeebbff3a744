"""What lets the outside in: load balancers, ingress controllers, gateways."""
