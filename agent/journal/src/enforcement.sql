-- The tables that a segment has since schema 2; in files of schema 1 they are read as empty.

-- What is neither an access nor a connection, and a rule refused or would have.
CREATE TABLE attempt (
    boot              INTEGER NOT NULL,
    id                INTEGER NOT NULL,
    at_boot_ns        INTEGER NOT NULL,
    workload          INTEGER NOT NULL, -- 0: not known
    cgroup            INTEGER NOT NULL,
    cgroup_path       TEXT,             -- where it is not the one at the workload's root
    uid               INTEGER,          -- host user, where the event told it; else the program's
    pid               INTEGER,
    start_boot_ns     INTEGER,
    exec              INTEGER,          -- process.exec: of the process that tried
    what              TEXT    NOT NULL, -- execute, map-code, socket, signal, ptrace, agent-file, bpf, mount, unix, limit
    object            TEXT    NOT NULL, -- a path, a signal, a socket family
    device            INTEGER,          -- of the object, where it is a file
    device_generation INTEGER,
    inode             INTEGER,
    inode_generation  INTEGER,
    origin            TEXT,             -- of what was to be executed: image, written, memfd, deleted, host, unknown
    verdict           TEXT    NOT NULL, -- allowed (by an exception), denied, would-deny
    decision          INTEGER NOT NULL,
    PRIMARY KEY (boot, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_by_workload ON attempt (boot, workload);
CREATE INDEX attempt_refused ON attempt (verdict) WHERE verdict <> 'allowed';

-- What was done to the enforcement, or by it.
CREATE TABLE audit (
    number     INTEGER PRIMARY KEY,
    boot       INTEGER NOT NULL,
    at_boot_ns INTEGER NOT NULL,
    what       TEXT    NOT NULL, -- policy-applied, exception-expired, contained, unloaded, ...
    subject    TEXT    NOT NULL, -- policy, exception or order
    workload   INTEGER,
    by_uid     INTEGER,          -- host user and process that asked for it; null: the agent itself
    by_pid     INTEGER,
    detail     TEXT    NOT NULL
) STRICT;
