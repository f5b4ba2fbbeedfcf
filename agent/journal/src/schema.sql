-- One segment of a Cofferdam journal. Times named *_boot_ns are nanoseconds since boot (CLOCK_BOOTTIME); add
-- boots.booted_ns for the wall clock. The views at the end do that and join the names: start with
--     SELECT * FROM accesses;   SELECT * FROM connections;   SELECT * FROM attempts;
--     SELECT * FROM processes;  SELECT * FROM audits;       SELECT * FROM detections;
-- Ids, inode and cgroup numbers are unsigned 64-bit numbers stored in SQLite's signed ones.

CREATE TABLE segment (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    opened_ns INTEGER NOT NULL, -- wall clock when this file was begun, ns since 1970 UTC
    closed_ns INTEGER           -- wall clock when the next file was begun; null while it is being written
) STRICT;

CREATE TABLE boots (
    boot           INTEGER PRIMARY KEY,        -- number of the boot in this file
    boot_id        TEXT    NOT NULL UNIQUE,    -- /proc/sys/kernel/random/boot_id
    booted_ns      INTEGER NOT NULL,           -- wall clock at boot, ns since 1970 UTC, as measured latest
    oldest_boot_ns INTEGER,                    -- what this file counts of the boot lies between these two
    newest_boot_ns INTEGER,
    max_id         INTEGER NOT NULL DEFAULT 0, -- greatest id of an access, connection or attempt in this or an earlier file
    earlier_max_id INTEGER NOT NULL DEFAULT 0  -- the same in earlier files
) STRICT;

-- When an agent run watched. One row per run and file; `until` moves with every commit.
CREATE TABLE coverage (
    run           INTEGER PRIMARY KEY,
    boot          INTEGER NOT NULL,
    since_boot_ns INTEGER NOT NULL,
    until_boot_ns INTEGER NOT NULL,
    hooks         TEXT    NOT NULL, -- JSON array of the attached hooks
    ended         TEXT              -- why it ended; null: it goes on in the next file, or was killed
) STRICT;

-- Who is who. A workload whose labels or image change gets a new version; a workload that is only known by
-- number has a row without name.
CREATE TABLE workload (
    boot                 INTEGER NOT NULL,
    workload             INTEGER NOT NULL, -- cgroup id at its root
    valid_from_boot_ns   INTEGER NOT NULL, -- this version is what was known from then on
    name                 TEXT,             -- stable name
    kind                 TEXT,             -- pod-container, container, unit, host, other
    namespace            TEXT,
    pod                  TEXT,
    container            TEXT,
    container_id         TEXT,
    pod_uid              TEXT,
    runtime              TEXT,
    runtime_namespace    TEXT,
    unit                 TEXT,
    sandbox              INTEGER NOT NULL DEFAULT 0,
    cgroup               INTEGER NOT NULL,
    cgroup_path          TEXT,
    labels               TEXT NOT NULL DEFAULT '{}', -- JSON object
    image                TEXT,
    image_digest         TEXT,
    credential_variables TEXT NOT NULL DEFAULT '[]', -- JSON array of names, never values
    since_boot_ns        INTEGER,
    until_boot_ns        INTEGER,
    PRIMARY KEY (boot, workload, valid_from_boot_ns)
) STRICT, WITHOUT ROWID;
CREATE INDEX workload_by_name ON workload (name);
CREATE INDEX workload_by_pod ON workload (namespace, pod);
CREATE INDEX workload_by_container ON workload (container_id);

-- A program run by a process: begun by an exec, a fork, or found when the agent started.
CREATE TABLE process (
    boot                  INTEGER NOT NULL,
    exec                  INTEGER NOT NULL, -- id of that event
    pid                   INTEGER NOT NULL, -- thread-group id on the host
    start_boot_ns         INTEGER NOT NULL, -- birth of the process
    parent_pid            INTEGER,
    parent_start_boot_ns  INTEGER,
    parent_exec           INTEGER,          -- edge of the process tree
    workload              INTEGER NOT NULL,
    cgroup                INTEGER NOT NULL,
    uid                   INTEGER NOT NULL, -- on the host
    binary                TEXT,             -- as named at exec
    device                INTEGER,          -- major << 20 | minor
    device_generation     INTEGER,
    inode                 INTEGER,
    inode_generation      INTEGER,
    origin                TEXT    NOT NULL, -- image, written, memfd, deleted, host, unknown
    interpreter           TEXT,             -- of a script
    interpreter_device            INTEGER,
    interpreter_device_generation INTEGER,
    interpreter_inode             INTEGER,
    interpreter_inode_generation  INTEGER,
    exec_session          INTEGER,
    runtime               INTEGER NOT NULL,
    adopted               INTEGER NOT NULL,
    began_boot_ns         INTEGER NOT NULL,
    PRIMARY KEY (boot, exec)
) STRICT, WITHOUT ROWID;
CREATE INDEX process_by_workload ON process (boot, workload);
CREATE INDEX process_by_pid ON process (boot, pid, start_boot_ns);

CREATE TABLE process_end (
    boot          INTEGER NOT NULL,
    pid           INTEGER NOT NULL,
    start_boot_ns INTEGER NOT NULL,
    ended_boot_ns INTEGER NOT NULL,
    PRIMARY KEY (boot, pid, start_boot_ns)
) STRICT, WITHOUT ROWID;

-- References to secrets. No value has a place in this file.
CREATE TABLE secret (
    id        INTEGER PRIMARY KEY,
    identity  TEXT NOT NULL UNIQUE, -- the same secret has the same identity in every file
    kind      TEXT NOT NULL,
    namespace TEXT,
    name      TEXT NOT NULL,
    display   TEXT NOT NULL,        -- as people know it, without the key
    pod_uid   TEXT,
    uid       TEXT,                 -- of the Secret object
    key       TEXT,
    boot      INTEGER,              -- of the owner
    owner     INTEGER               -- the only workload that can have it
) STRICT;
CREATE INDEX secret_by_display ON secret (display);

CREATE TABLE secret_found (
    secret        INTEGER NOT NULL,
    boot          INTEGER NOT NULL,
    path          TEXT,
    since_boot_ns INTEGER NOT NULL,
    until_boot_ns INTEGER,
    PRIMARY KEY (secret, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE secret_visible (
    secret   INTEGER NOT NULL,
    boot     INTEGER NOT NULL,
    workload INTEGER NOT NULL,
    PRIMARY KEY (secret, boot, workload)
) STRICT, WITHOUT ROWID;

-- What decided, shared by many rows.
CREATE TABLE decision (
    id          INTEGER PRIMARY KEY,
    denied_by   TEXT,             -- us, other
    enforced_by TEXT    NOT NULL,
    policy      TEXT,
    rule        TEXT,             -- of the policy
    exception   INTEGER NOT NULL, -- it passed only by an exception to that rule
    generation  INTEGER NOT NULL
) STRICT;

-- Accesses of one process to one secret in one way. This file counts `total - base` of them: those before stand
-- in earlier files. Without pid: what exceeded the workload's budget.
CREATE TABLE access (
    boot                 INTEGER NOT NULL,
    id                   INTEGER NOT NULL, -- the first access
    first_boot_ns        INTEGER NOT NULL,
    last_boot_ns         INTEGER NOT NULL,
    total                INTEGER NOT NULL, -- since the first
    base                 INTEGER NOT NULL, -- of these, in earlier files
    after_boot_ns        INTEGER,          -- with base: the latest in an earlier file
    workload             INTEGER NOT NULL, -- 0: not known
    cgroup               INTEGER NOT NULL,
    pid                  INTEGER,
    start_boot_ns        INTEGER,
    exec                 INTEGER,          -- process.exec
    secret               INTEGER NOT NULL,
    device               INTEGER,
    device_generation    INTEGER,
    inode                INTEGER,
    inode_generation     INTEGER,
    how                  TEXT    NOT NULL, -- open, receive, mmap, environ, ptrace, held
    mode                 TEXT    NOT NULL, -- read, write, read-write, attach
    target_relation      TEXT,             -- own, sibling, other: whose environment or memory
    target_pid           INTEGER,
    target_start_boot_ns INTEGER,
    target_workload      INTEGER,
    target_cgroup        INTEGER,
    verdict              TEXT    NOT NULL, -- allowed, denied, would-deny
    decision             INTEGER NOT NULL,
    "order"              INTEGER,          -- among the workload's first reads of distinct secrets
    uid                  INTEGER,          -- host user at the first, where an event told it; else the program's
    cgroup_path          TEXT,             -- where it is not the one at the workload's root
    PRIMARY KEY (boot, id)
) STRICT, WITHOUT ROWID;
-- Refused rows stand apart in it, so that they can be shed last.
CREATE INDEX access_by_workload ON access (boot, workload, (verdict <> 'allowed'));
CREATE INDEX access_by_secret ON access (secret);
CREATE INDEX access_refused ON access (verdict) WHERE verdict <> 'allowed';

-- Connections of one process to one destination, counted like accesses.
CREATE TABLE connection (
    boot          INTEGER NOT NULL,
    id            INTEGER NOT NULL,
    first_boot_ns INTEGER NOT NULL,
    last_boot_ns  INTEGER NOT NULL,
    total         INTEGER NOT NULL,
    base          INTEGER NOT NULL,
    after_boot_ns INTEGER,
    workload      INTEGER NOT NULL,
    cgroup        INTEGER NOT NULL,
    pid           INTEGER,
    start_boot_ns INTEGER,
    exec          INTEGER,
    destination   TEXT,
    port          INTEGER NOT NULL,
    protocol      TEXT    NOT NULL,
    family        INTEGER NOT NULL,
    unconnected   INTEGER NOT NULL,
    tainted_by    TEXT,             -- JSON array of secrets touched before
    verdict       TEXT    NOT NULL,
    decision      INTEGER NOT NULL,
    uid           INTEGER,
    cgroup_path   TEXT,
    PRIMARY KEY (boot, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX connection_by_workload ON connection (boot, workload, (verdict <> 'allowed'));
CREATE INDEX connection_refused ON connection (verdict) WHERE verdict <> 'allowed';

-- Events that are known to be missing.
CREATE TABLE loss (
    boot          INTEGER NOT NULL,
    since_boot_ns INTEGER NOT NULL,
    until_boot_ns INTEGER NOT NULL,
    hook          TEXT    NOT NULL,
    workload      INTEGER,
    reason        TEXT    NOT NULL,
    count         INTEGER NOT NULL
) STRICT;

-- What each workload takes up of a closed file, for the quota.
CREATE TABLE usage (
    boot     INTEGER NOT NULL,
    workload INTEGER NOT NULL,
    rows     INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (boot, workload)
) STRICT, WITHOUT ROWID;

-- What SQLite should expect of the tables, as ANALYZE would find them in a full file. Without it SQLite takes
-- `boot = ?` for as good as a key and walks through whole tables.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('access', 'access', '1000000 500000 1'),
    ('access', 'access_by_workload', '1000000 500000 1000 1000'),
    ('access', 'access_by_secret', '1000000 1000'),
    ('access', 'access_refused', '100 50'),
    ('connection', 'connection', '1000000 500000 1'),
    ('connection', 'connection_by_workload', '1000000 500000 1000 1000'),
    ('connection', 'connection_refused', '100 50'),
    ('attempt', 'attempt', '10000 5000 1'),
    ('attempt', 'attempt_by_workload', '10000 5000 100'),
    ('detection', 'detection', '1000 500 50 1'),
    ('process', 'process', '100000 50000 1'),
    ('process', 'process_by_workload', '100000 50000 100'),
    ('process', 'process_by_pid', '100000 50000 2 1'),
    ('process_end', 'process_end', '100000 50000 2 1'),
    ('workload', 'workload', '1000 500 2 1'),
    ('workload', 'workload_by_name', '1000 2'),
    ('workload', 'workload_by_pod', '1000 50 2'),
    ('workload', 'workload_by_container', '1000 2');

CREATE VIEW accesses AS
SELECT printf('%s-%x', substr(b.boot_id, 1, 8), a.id) AS id,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + a.first_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + a.first_boot_ns) % 1000000000) AS first,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + a.last_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + a.last_boot_ns) % 1000000000) AS last,
       b.booted_ns + a.first_boot_ns AS first_ns, b.booted_ns + a.last_boot_ns AS last_ns,
       a.total - a.base AS count,
       w.name AS workload, w.namespace, w.pod, w.container, w.container_id, coalesce(a.cgroup_path, w.cgroup_path) AS cgroup,
       p.binary, p.origin AS binary_origin, p.interpreter, a.pid, p.parent_pid AS ppid, coalesce(a.uid, p.uid) AS uid, p.exec_session,
       s.display AS secret, s.key, s.kind AS secret_kind, a.how, a.mode,
       a.target_relation, a.target_pid, a.verdict, d.denied_by, d.enforced_by, d.policy, d.rule, d.exception, d.generation,
       w.image, w.labels, b.boot_id
FROM access a
JOIN boots b ON b.boot = a.boot
JOIN secret s ON s.id = a.secret
JOIN decision d ON d.id = a.decision
LEFT JOIN process p ON p.boot = a.boot AND p.exec = a.exec
LEFT JOIN workload w ON w.boot = a.boot AND w.workload = a.workload AND w.valid_from_boot_ns = coalesce(
    (SELECT max(v.valid_from_boot_ns) FROM workload v
     WHERE v.boot = a.boot AND v.workload = a.workload AND v.valid_from_boot_ns <= a.first_boot_ns),
    (SELECT min(v.valid_from_boot_ns) FROM workload v WHERE v.boot = a.boot AND v.workload = a.workload));

CREATE VIEW connections AS
SELECT printf('%s-%x', substr(b.boot_id, 1, 8), c.id) AS id,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + c.first_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + c.first_boot_ns) % 1000000000) AS first,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + c.last_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + c.last_boot_ns) % 1000000000) AS last,
       b.booted_ns + c.first_boot_ns AS first_ns, b.booted_ns + c.last_boot_ns AS last_ns,
       c.total - c.base AS count,
       w.name AS workload, w.namespace, w.pod, w.container, w.container_id, coalesce(c.cgroup_path, w.cgroup_path) AS cgroup,
       p.binary, p.origin AS binary_origin, p.interpreter, c.pid, p.parent_pid AS ppid, coalesce(c.uid, p.uid) AS uid, p.exec_session,
       c.destination, c.port, c.protocol, c.family, c.unconnected, c.tainted_by,
       c.verdict, d.denied_by, d.enforced_by, d.policy, d.rule, d.exception, d.generation, b.boot_id
FROM connection c
JOIN boots b ON b.boot = c.boot
JOIN decision d ON d.id = c.decision
LEFT JOIN process p ON p.boot = c.boot AND p.exec = c.exec
LEFT JOIN workload w ON w.boot = c.boot AND w.workload = c.workload AND w.valid_from_boot_ns = coalesce(
    (SELECT max(v.valid_from_boot_ns) FROM workload v
     WHERE v.boot = c.boot AND v.workload = c.workload AND v.valid_from_boot_ns <= c.first_boot_ns),
    (SELECT min(v.valid_from_boot_ns) FROM workload v WHERE v.boot = c.boot AND v.workload = c.workload));

CREATE VIEW attempts AS
SELECT printf('%s-%x', substr(b.boot_id, 1, 8), t.id) AS id,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + t.at_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + t.at_boot_ns) % 1000000000) AS at,
       b.booted_ns + t.at_boot_ns AS at_ns,
       w.name AS workload, w.namespace, w.pod, w.container, w.container_id, coalesce(t.cgroup_path, w.cgroup_path) AS cgroup,
       p.binary, p.origin AS binary_origin, p.interpreter, t.pid, p.parent_pid AS ppid, coalesce(t.uid, p.uid) AS uid, p.exec_session,
       t.what, t.object, t.origin AS object_origin,
       t.verdict, d.denied_by, d.enforced_by, d.policy, d.rule, d.exception, d.generation, b.boot_id
FROM attempt t
JOIN boots b ON b.boot = t.boot
JOIN decision d ON d.id = t.decision
LEFT JOIN process p ON p.boot = t.boot AND p.exec = t.exec
LEFT JOIN workload w ON w.boot = t.boot AND w.workload = t.workload AND w.valid_from_boot_ns = coalesce(
    (SELECT max(v.valid_from_boot_ns) FROM workload v
     WHERE v.boot = t.boot AND v.workload = t.workload AND v.valid_from_boot_ns <= t.at_boot_ns),
    (SELECT min(v.valid_from_boot_ns) FROM workload v WHERE v.boot = t.boot AND v.workload = t.workload));

CREATE VIEW audits AS
SELECT strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + a.at_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + a.at_boot_ns) % 1000000000) AS at,
       b.booted_ns + a.at_boot_ns AS at_ns, a.what, a.subject,
       (SELECT w.name FROM workload w WHERE w.boot = a.boot AND w.workload = a.workload
        ORDER BY w.valid_from_boot_ns DESC LIMIT 1) AS workload,
       a.by_uid, a.by_pid, a.detail, b.boot_id
FROM audit a
JOIN boots b ON b.boot = a.boot;

CREATE VIEW detections AS
SELECT printf('%s-%x/%s', substr(b.boot_id, 1, 8), d.event, d.rule) AS id,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + d.at_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + d.at_boot_ns) % 1000000000) AS at,
       b.booted_ns + d.at_boot_ns AS at_ns,
       d.rule, d.title, d.severity, d.techniques,
       w.name AS workload, w.namespace, w.pod, w.container, w.container_id,
       p.binary, p.origin AS binary_origin, d.pid, coalesce(d.uid, p.uid) AS uid, p.exec_session,
       s.display AS secret, s.key, s.kind AS secret_kind,
       (SELECT json_group_array(printf('%s-%x', substr(b.boot_id, 1, 8), e.value))
        FROM json_each(d.evidence) e) AS evidence,
       (SELECT json_group_array(json_object(
            'event', printf('%s-%x', substr(b.boot_id, 1, 8), t.value ->> 'event'),
            'field', t.value ->> 'field', 'value', t.value ->> 'value'))
        FROM json_each(d.told) t) AS told,
       d.withheld, d.contain, d.revoke, b.boot_id
FROM detection d
JOIN boots b ON b.boot = d.boot
LEFT JOIN secret s ON s.id = d.secret
LEFT JOIN process p ON p.boot = d.boot AND p.exec = d.exec
LEFT JOIN workload w ON w.boot = d.boot AND w.workload = d.workload AND w.valid_from_boot_ns = coalesce(
    (SELECT max(v.valid_from_boot_ns) FROM workload v
     WHERE v.boot = d.boot AND v.workload = d.workload AND v.valid_from_boot_ns <= d.at_boot_ns),
    (SELECT min(v.valid_from_boot_ns) FROM workload v WHERE v.boot = d.boot AND v.workload = d.workload));

CREATE VIEW processes AS
SELECT printf('%s-%x', substr(b.boot_id, 1, 8), p.exec) AS id,
       CASE WHEN p.parent_exec IS NOT NULL
            THEN printf('%s-%x', substr(b.boot_id, 1, 8), p.parent_exec) END AS parent,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + p.began_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + p.began_boot_ns) % 1000000000) AS began,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + e.ended_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + e.ended_boot_ns) % 1000000000) AS ended,
       b.booted_ns + p.began_boot_ns AS began_ns, b.booted_ns + e.ended_boot_ns AS ended_ns,
       (SELECT w.name FROM workload w WHERE w.boot = p.boot AND w.workload = p.workload
        ORDER BY w.valid_from_boot_ns DESC LIMIT 1) AS workload,
       p.pid, p.parent_pid AS ppid, p.uid, p.binary, p.origin AS binary_origin, p.interpreter,
       p.exec_session, p.runtime, p.adopted, b.boot_id
FROM process p
JOIN boots b ON b.boot = p.boot
LEFT JOIN process_end e ON e.boot = p.boot AND e.pid = p.pid AND e.start_boot_ns = p.start_boot_ns;

CREATE VIEW losses AS
SELECT strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + l.since_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + l.since_boot_ns) % 1000000000) AS since,
       strftime('%Y-%m-%dT%H:%M:%S', (b.booted_ns + l.until_boot_ns) / 1000000000, 'unixepoch')
           || printf('.%09dZ', (b.booted_ns + l.until_boot_ns) % 1000000000) AS until,
       l.hook, l.workload, l.reason, l.count, b.boot_id
FROM loss l
JOIN boots b ON b.boot = l.boot;
