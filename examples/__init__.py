"""Small applications, and a demonstration that serves them while their server is deployed and killed."""
