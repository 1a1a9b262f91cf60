"""A dress rehearsal: a plan is run from start to end on servers of its own, its controller killed, and taken back.

Nothing here touches the environment that the plan is for: `stage` builds another one in a temporary folder, `traffic`
sends requests and runs through it, `listener` hears the messages, `controller` is the process that `points` kill,
`take` is one release with at most one death, and `campaign` holds as many takes as were asked for and writes them down.
"""
