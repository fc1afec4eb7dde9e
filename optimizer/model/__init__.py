"""The words that all other packages use: frozen data that validates itself.

The model has no door: each module is one topic, and other packages import the topics they need. Imports inside the
model point down this list, which a contract in pyproject.toml checks.

What rules mean for an estate
    ``set_constraints`` and ``set_demands`` (``separate`` and ``order`` between sets of VMs), ``window_options``
    (starts that rule windows allow), ``rule_matches``, ``weights``, ``exemptions``, ``policy_limits`` (VMs per
    policy), ``occupancy`` (overlaps of a schedule, as people read them).
What the planner writes
    ``rules``, with ``selectors`` (which VMs), ``rule_windows`` (when), ``working_hours``, ``rule_values`` (the
    notation of the file) and ``policy_template`` (names of new policies); ``policy_names`` makes these names.
What is protected
    ``inventory``, with ``job_owners`` (whose backup a job is), ``arm_id`` and ``caseless`` (ids and names that
    compare without case), ``policy_bodies`` (what Azure accepts), ``raw`` (fields of raw JSON).
When backups run
    ``timegrid`` (bins, slots, start options, zones), ``snapshot_timing`` (start delay and length of a snapshot),
    ``pattern`` (the start windows of a policy in the week), ``clashes`` (starts that exclude each other), ``load``
    (5-minute bins of a day), ``clock`` (the only reader of the time of day).
How documents are read and shown
    ``strict`` (base class of documents), ``faults`` (mistakes in a file, in plain words), ``phrases``, ``frames``,
    ``html_table``, ``arrays``.
"""
