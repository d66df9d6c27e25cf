"""`algoperf check`: does a submission keep the rules? Read without importing it, then tried in a process of its own."""
