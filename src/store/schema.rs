//! The tables, as the steps from one version of the schema to the next.

/// The steps that lead to the schema of `state.sqlite3`; a step is never changed once it was released.
pub(super) const STATE: &[&str] = &[
    "
    CREATE TABLE authentication_cache (
        username           TEXT    NOT NULL,
        client_ip          TEXT    NOT NULL,
        last_authenticated INTEGER NOT NULL,
        last_used          INTEGER NOT NULL,
        reuse_count        INTEGER NOT NULL,
        expires            INTEGER NOT NULL,
        PRIMARY KEY (username, client_ip)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX authentication_cache_expires ON authentication_cache (expires);
",
    "
    CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Clustered by realm and user, because that is how tokens are searched for.
    CREATE TABLE tokens (
        realm         TEXT    NOT NULL,
        user          TEXT    NOT NULL,
        serial        TEXT    NOT NULL UNIQUE,
        type          TEXT    NOT NULL,
        description   TEXT    NOT NULL,
        enabled       INTEGER NOT NULL,
        algorithm     TEXT    NOT NULL,
        digits        INTEGER NOT NULL,
        period        INTEGER NOT NULL,
        window        INTEGER NOT NULL,
        counter       INTEGER NOT NULL,
        skew          INTEGER NOT NULL,
        fail_counter  INTEGER NOT NULL,
        max_fail      INTEGER NOT NULL,
        failed_at     INTEGER NOT NULL,
        unlock_after  INTEGER NOT NULL,
        valid_from    INTEGER,
        valid_until   INTEGER,
        target        TEXT,
        realms        TEXT,
        separator     TEXT,
        sealed_secret BLOB    NOT NULL,
        sealed_pin    BLOB,
        PRIMARY KEY (realm, user, serial)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tokens_with_pin ON tokens (serial) WHERE sealed_pin IS NOT NULL OR type = 'pw';
    CREATE INDEX tokens_target ON tokens (target) WHERE target IS NOT NULL;
    CREATE TABLE used_codes (
        serial   TEXT    NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (serial, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE challenges (
        id         TEXT    PRIMARY KEY,
        kind       TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        user       TEXT    NOT NULL,
        realm      TEXT    NOT NULL,
        data       TEXT    NOT NULL,
        expires    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX challenges_expires ON challenges (expires);
    CREATE TABLE guesses (
        subject   TEXT    PRIMARY KEY,
        failures  INTEGER NOT NULL,
        failed_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE offline_codes (
        provider TEXT    NOT NULL,
        realm    TEXT    NOT NULL,
        user     TEXT    NOT NULL,
        serial   TEXT    NOT NULL,
        failures INTEGER NOT NULL,
        sealed   BLOB    NOT NULL,
        PRIMARY KEY (provider, realm, user, serial)
    ) STRICT, WITHOUT ROWID;
",
    // With a rowid, unlike the others: rows of some kilobytes would make a tree without one deep.
    "
    CREATE TABLE credentials (
        owner  TEXT NOT NULL,
        asset  TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (owner, asset)
    ) STRICT;
    CREATE TABLE leases (
        owner      TEXT    NOT NULL,
        entry      TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        account    TEXT    NOT NULL,
        asset      TEXT    NOT NULL,
        user       TEXT    NOT NULL,
        expires    INTEGER NOT NULL,
        PRIMARY KEY (owner, entry, session_id, account, asset)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX leases_session ON leases (session_id);
",
    // Owners are found without regard to case: folded by `names::fold`, which SQLite's own functions cannot do.
    "
    ALTER TABLE tokens ADD COLUMN user_key TEXT NOT NULL DEFAULT '';
    ALTER TABLE tokens ADD COLUMN realm_key TEXT NOT NULL DEFAULT '';
    UPDATE tokens SET user_key = fold(user), realm_key = fold(realm);
    CREATE INDEX tokens_owner ON tokens (realm_key, user_key);
    CREATE INDEX tokens_serial ON tokens (serial COLLATE NOCASE);
    DROP INDEX tokens_target;
    CREATE INDEX tokens_target ON tokens (target COLLATE NOCASE) WHERE target IS NOT NULL;
",
    // What was remembered did not say what it proved, so it is forgotten. Counts of wrong approvals are kept, by the name
    // alone: a realm behind it does not make it another person's.
    "
    DROP TABLE authentication_cache;
    CREATE TABLE authentication_cache (
        username           TEXT    NOT NULL,
        client_ip          TEXT    NOT NULL,
        scope              TEXT    NOT NULL,
        provider           TEXT    NOT NULL,
        person             TEXT    NOT NULL,
        identity           TEXT    NOT NULL,
        last_authenticated INTEGER NOT NULL,
        last_used          INTEGER NOT NULL,
        reuse_count        INTEGER NOT NULL,
        expires            INTEGER NOT NULL,
        PRIMARY KEY (username, client_ip, scope, provider)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX authentication_cache_expires ON authentication_cache (expires);
    ALTER TABLE guesses RENAME TO old_guesses;
    CREATE TABLE guesses (
        kind      TEXT    NOT NULL,
        subject   TEXT    NOT NULL,
        failures  INTEGER NOT NULL,
        failed_at INTEGER NOT NULL,
        locks     INTEGER NOT NULL,
        expires   INTEGER NOT NULL,
        PRIMARY KEY (kind, subject)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO guesses
        SELECT 'name', substr(subject, 1, instr(subject || '@', '@') - 1), max(failures), max(failed_at), 1,
               max(failed_at) + 86400000000
        FROM old_guesses GROUP BY 2;
    DROP TABLE old_guesses;
    CREATE INDEX guesses_expires ON guesses (expires);
",
];

/// The steps that lead to the schema of `connections.sqlite3`.
pub(super) const CONNECTIONS: &[&str] = &[
    "
    CREATE TABLE connections (
        client_ip  TEXT    NOT NULL,
        username   TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        opened     INTEGER NOT NULL,
        PRIMARY KEY (client_ip, username, session_id)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE servers_down (
        server TEXT    PRIMARY KEY,
        since  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    // `since` is when the server was last found down, `first` when that began.
    "
    ALTER TABLE servers_down ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
    UPDATE servers_down SET first = since;
",
    // `asked` is when the last harmless question was, `claimed` when one was last begun, and `since` when the doubt about
    // the server began or a request was last sent to it. That servers were down is forgotten: they are asked again.
    "
    DROP TABLE servers_down;
    CREATE TABLE servers (
        server  TEXT    PRIMARY KEY,
        finding TEXT    NOT NULL,
        asked   INTEGER NOT NULL,
        claimed INTEGER NOT NULL,
        since   INTEGER NOT NULL,
        proven  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Requests of users that a server may be working on, each until its time-out.
    CREATE TABLE requests (
        id     INTEGER PRIMARY KEY,
        server TEXT    NOT NULL,
        ends   INTEGER NOT NULL
    ) STRICT;
",
    // `last` is when the last request of a user to an address ended, and `unanswered` how many had no answer. What is
    // known of servers has other names now, and is found out again.
    "
    DELETE FROM servers;
    DELETE FROM requests;
    ALTER TABLE requests RENAME COLUMN server TO endpoint;
    CREATE TABLE logins (
        endpoint   TEXT    PRIMARY KEY,
        last       INTEGER NOT NULL,
        unanswered INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];
