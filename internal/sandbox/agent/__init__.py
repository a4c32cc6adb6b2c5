"""The part of the code interpreter that runs inside the sandbox."""
