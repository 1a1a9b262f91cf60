"""Load balancers of AWS as routers: an agent keeps epochs and weights, and has a rule of the balancer show them."""
