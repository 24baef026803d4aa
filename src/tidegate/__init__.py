"""The Python way to run queue-driven work on AWS ECS Fargate, and on a laptop."""
