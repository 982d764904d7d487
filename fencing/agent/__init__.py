"""`kind: agent`: any installed `fence_*` program, through its standard input.

`discovery`: which there are; `metadata`: what one takes and can do; `options`: what it is told; `answers`: what its
answers mean; `turns`: one at a time; `method`: how it fences; `examine`: what is wrong before it is needed.
Source: FenceAgentAPI.md of fence-agents 4.12, and what the agents really do.
"""
