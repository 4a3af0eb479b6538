"""Launch a deployment with secrets that the server does not keep."""
