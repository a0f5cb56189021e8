"""From findings to the contract's answer: sections, scores, gates, next step, summary."""
