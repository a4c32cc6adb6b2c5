"""Entry of the archive that the server hands to the interpreter."""

from understudy_agent import stage0

stage0.main()
