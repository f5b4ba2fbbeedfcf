-- The table that a segment has since schema 3; in older files it is read as empty.

-- What rules have found. Nothing but the end of its file takes such a row away.
CREATE TABLE detection (
    boot          INTEGER NOT NULL,
    rule          TEXT    NOT NULL,
    event         INTEGER NOT NULL, -- id of the access, connection or attempt that completed it
    at_boot_ns    INTEGER NOT NULL,
    title         TEXT    NOT NULL,
    severity      TEXT    NOT NULL, -- info, low, medium, high, critical
    techniques    TEXT    NOT NULL, -- JSON array: MITRE ATT&CK
    workload      INTEGER NOT NULL, -- 0: not known
    uid           INTEGER,          -- host user, where the event told it; else the program's
    pid           INTEGER,
    start_boot_ns INTEGER,
    exec          INTEGER,          -- process.exec
    secret        INTEGER,          -- secret.id
    evidence      TEXT    NOT NULL, -- JSON array of event ids
    told          TEXT    NOT NULL, -- JSON array of what its conditions asked: event, field, value
    withheld      INTEGER NOT NULL, -- how often the same was found and not told since the last time
    contain       TEXT    NOT NULL, -- none, credential, workload
    revoke        INTEGER NOT NULL,
    PRIMARY KEY (boot, rule, event)
) STRICT, WITHOUT ROWID;
