"""Which model is good enough: scenarios asked of an answerer, and their answers scored.

No model judges: facts, causes, references and what was spent are compared with what a scenario's
file says. It must not know how an answer is made, only what `agents.conversation` says of one.
"""
