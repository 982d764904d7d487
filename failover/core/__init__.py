"""The pure heart of failoverd: `step(state, event) -> (state, effects, why)`.

Nothing below this package knows of I/O, clocks, threads, chance or logging. The shell around it owes it four duties:

1. feed events one at a time, in the order in which they happened (one turn of `step` each);
2. carry out the effects of a turn in order, each in its lane, each with a deadline, and answer each question exactly
   once, with the attempt and epoch that the question carried;
3. end what a `Cancel` names before the next hook of that lane starts;
4. stop the process when `step` raises: a broken invariant means that nothing can be decided any more (S10).
"""
