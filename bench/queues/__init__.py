"""Job queues beside their peers: drain, enqueue, latency, crash."""
