"""Two small applications, and a demonstration that serves both while their server is deployed and killed."""
