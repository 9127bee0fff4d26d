"""The Kubernetes REST API of a simulated cluster at wire level: lists, watches, logs, exec.

Objects are rendered from the cluster's truths when they are asked for; only Secrets are stored.
"""
