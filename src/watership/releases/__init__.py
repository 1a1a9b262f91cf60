"""The release system: runbook → plan → run, with gates, cutover, rollback and an audit that can be verified.

Where is what, in the order in which a release comes by:

Before      `book` reads a runbook's files. `plan` is what it comes to for one build: people sign it, and
            `warrant` says who may do what. `checks` measure through `instruments`, each `measurement` with its
            evidence and its `verdict`, from which `masking` keeps secrets out; `smoke` is what a build must answer.
            `header` is what a migration's script says of itself, and `ddl` what it does to those who use its tables.
            `readiness` keeps the checklist, the sign-offs and the decision to go; `abridged` is a plan for a rehearsal.
The run     `controller` owns it, `program` is its loop: read the `facts`, `decide`, and let `acts` change the
            `environment`, which stands behind `ports`. `order` is what it begins with and what people tell it
            meanwhile. `expansion` runs migrations, `pause` holds writes for one, `soundness` is what they leave wrong.
            `company` goes along with it, with its `complaints`, and `leap` says how far a rehearsal's calendar may go.
Traffic     `cutover` turns the dial, `judging` says what the traffic proves, `rollback` is the way back,
            `rollback_now` the one that needs no journal, and `contract` what leaves none. `outlook` says what becomes
            of the runs under way, `begun` what a rollback does with those that next has begun. `entrance` leads
            a name to a balancer before traffic moves, `accord` compares all parties at the end.
The record  `journal` is what was done, folded; `snapshots` what is too large for it; `status` and `figures`
            what both say; `auditing` what nobody can change unseen.
People      `notices` tell them, `incidents` call them, `reporting` is what they read afterwards, `service` how
            live fares.
"""
