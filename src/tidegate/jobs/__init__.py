"""Jobs: units of work on queues, claimed under a lease, settled under a fence."""
