"""Contract suites that a third party's backend can be held to, and what they need."""
