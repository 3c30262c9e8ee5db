//! Lives here: every number and word that someone may tune: the sections of the configuration.
//! Not here: reading and merging (`load`), and the plain structs of the crates below (`handed`).
//!
//! Invariant: a key's name ends in its unit where it has one; 0 means "automatic" only where its
//! words say so.

use actors::SupervisorMode;
use world_data::Durability;

use super::log_format::LogFormat;
use super::login_mode::LoginMode;
use super::section::{Key, section};

section! {
    /// Where the server listens and keeps its data.
    pub struct Server in "server" {
        /// Address and port to listen on. Port 0 takes a free one.
        listen: String = "127.0.0.1:7777".to_owned();
        /// Folder of the world's data. Made if it is not there.
        data: String = "./data".to_owned();
        /// Threads that serve sockets. 0: one per core.
        socket_threads: usize = 0, in 0..=1_024;
        /// Allows guest login on an address that others can reach.
        insecure_guest: bool = false;
        /// Seconds that a graceful stop may take.
        shutdown_limit_seconds: u64 = 10, in 1..=3_600;
    }
}

section! {
    /// The data service: durability, memory and disk.
    pub struct Engine in "engine" {
        /// When effects leave: "strict": when their task is on disk; "relaxed": at once.
        durability: Durability = Durability::Strict;
        /// Regions to cut the line into when the store is new.
        regions: usize = 16, in 1..=4_096;
        /// Live objects kept in memory; above, idle clean cells are evicted.
        cache_objects: usize = 4_000_000, in 1_000..=1_000_000_000;
        /// Bytes of address space reserved for the store. Sparse; it grows before it is full.
        store_bytes: usize = 64 << 30, in 16_777_216..=17_592_186_044_416;
        /// Milliseconds between checkpoints, at most, while there is something to write.
        checkpoint_interval_ms: u64 = 1_000, in 10..=600_000;
        /// Bytes of journal after which a checkpoint begins early.
        checkpoint_bytes: usize = 64 << 20, in 4_096..=17_179_869_184;
        /// Bytes of journal that may wait for a checkpoint; above, commits wait.
        journal_limit_bytes: usize = 512 << 20, in 65_536..=68_719_476_736;
        /// Milliseconds that one run of a task may take, if its kind has no budget in `tasks`.
        task_budget_ms: u64 = 100, in 1..=60_000;
        /// Runs that a task may take, if its kind has no number in `tasks`.
        task_attempts: u32 = 64, in 1..=10_000;
        /// Work of a region's tick from which on it is computed by several threads: 1 for each
        /// object, 4 for each cell that one looks into.
        parallel_from: usize = 8_192, in 1..=1_000_000_000;
        /// Bytes of memory that waiting jobs may take: 256 for each and what the world says in them.
        /// Above, further ones are refused.
        job_bytes: usize = 256 << 20, in 4_096..=68_719_476_736;
        /// Seeds the world's random numbers.
        seed: u64 = 0, in 0..=i64::MAX;
    }
}

section! {
    /// What tasks of each kind may take: milliseconds of one run, and runs. One that exceeds either
    /// is given up, and kept as a dead letter. 0: as `engine.task_budget_ms` and
    /// `engine.task_attempts` say.
    pub struct Tasks in "tasks" {
        /// Milliseconds for a command.
        command_budget_ms: u64 = 0, in 0..=60_000;
        /// Runs of a command.
        command_attempts: u32 = 0, in 0..=10_000;
        /// Milliseconds for an input.
        input_budget_ms: u64 = 0, in 0..=60_000;
        /// Runs of an input.
        input_attempts: u32 = 0, in 0..=10_000;
        /// Milliseconds for a login.
        login_budget_ms: u64 = 0, in 0..=60_000;
        /// Runs of a login.
        login_attempts: u32 = 0, in 0..=10_000;
        /// Milliseconds for a logout.
        logout_budget_ms: u64 = 0, in 0..=60_000;
        /// Runs of a logout.
        logout_attempts: u32 = 0, in 0..=10_000;
        /// Milliseconds for what a tick moves over a region's border, each entity by itself.
        tick_budget_ms: u64 = 0, in 0..=60_000;
        /// Runs of that.
        tick_attempts: u32 = 0, in 0..=10_000;
        /// Milliseconds for the turn of a job.
        job_budget_ms: u64 = 0, in 0..=60_000;
        /// Runs of that.
        job_attempts: u32 = 0, in 0..=10_000;
    }
}

section! {
    /// The regions: threads, ticks and queues.
    pub struct Regions in "regions" {
        /// Threads that run regions. 0: one per core.
        workers: usize = 0, in 0..=1_024;
        /// Ticks per second.
        tick_hz: u32 = 20, in 1..=60;
        /// Work that may wait at one region; above, sessions wait.
        queue_limit: usize = 4_096, in 16..=1_048_576;
    }
}

section! {
    /// The supervisor: moves, splits and merges regions as their load asks for. Loads are busy time
    /// per second, as a share of a thread.
    pub struct Supervisor in "supervisor" {
        /// "on": decides and acts; "observe": decides, and only says what it would do; "off": only
        /// measures. An operator's orders are carried out in each of them.
        mode: SupervisorMode = SupervisorMode::On;
        /// Load of a thread from which on regions are moved off it.
        hot_load: f64 = 0.7, in 0.05..=1.0;
        /// Load of a thread down to which they are; below `hot_load`.
        cool_load: f64 = 0.6, in 0.01..=1.0;
        /// Load of a single region from which on it is split.
        split_load: f64 = 0.5, in 0.01..=1.0;
        /// Load of two neighbours together below which they are merged; up to half of `split_load`.
        merge_load: f64 = 0.2, in 0.0..=1.0;
        /// Share of a thread that a region must cost by acting over its borders from another thread
        /// than its neighbours, before it is moved to theirs. One such task costs 20 µs more.
        border_load: f64 = 0.05, in 0.0001..=1.0;
    }
}

section! {
    /// The ladder: what is done where a thread has too much to do and no region can be moved or cut. A
    /// thread of sockets tells far cells at half, then at a quarter of the rate, then shows the nearest
    /// cells only; last, time is slowed down. Loads are shares of a thread.
    pub struct Ladder in "ladder" {
        /// Whether it is climbed at all.
        on: bool = true;
        /// Load of a thread above which the next rung is taken.
        over_load: f64 = 0.9, in 0.1..=1.0;
        /// A rung is left when the thread would have less than this load without it; below
        /// `over_load`.
        under_load: f64 = 0.6, in 0.01..=1.0;
        /// Seconds that a thread must have too much to do before the next rung is taken.
        up_seconds: u64 = 3, in 1..=600;
        /// Seconds that it must have little enough to do before a rung is left.
        down_seconds: u64 = 10, in 1..=3_600;
        /// Entities that a client is shown where not all can be: those of the nearest cells, always
        /// with those at hand.
        nearest: usize = 100, in 1..=1_000_000;
        /// World time per real time, at the least.
        least_dilation: f64 = 0.1, in 0.1..=1.0;
    }
}

section! {
    /// The sessions: how many, how much each may ask, how long they stay.
    pub struct Sessions in "sessions" {
        /// Sessions on this host, connected or away.
        max_sessions: usize = 20_000, in 1..=1_000_000;
        /// Commands of one session that may be unanswered; above, its socket is not read.
        window: usize = 64, in 1..=64;
        /// Seconds that a session stays when its socket has gone.
        linger_seconds: u64 = 60, in 0..=86_400;
        /// Events kept for one session until it acknowledges them.
        events_kept: usize = 1_024, in 16..=65_536;
        /// Replies and events that may wait for one socket; above, it is closed.
        control_lane: usize = 256, in 128..=65_536;
        /// Commands, acknowledgements and pings per second and session.
        commands_per_second: u32 = 10_000, in 1..=1_000_000;
        /// Inputs per second and session.
        inputs_per_second: u32 = 100, in 1..=1_000_000;
        /// Messages to channels per second and session.
        publishes_per_second: u32 = 10, in 1..=1_000_000;
        /// Seconds' worth of commands, inputs or messages to channels that may come at once.
        burst_seconds: u32 = 2, in 1..=60;
        /// Characters of a name.
        name_limit: usize = 32, in 1..=256;
        /// Seconds that a login may take.
        login_limit_seconds: u64 = 10, in 1..=300;
    }
}

section! {
    /// The gateway: sockets and what they may send.
    pub struct Gateway in "gateway" {
        /// Bytes of one message from a client, all its fragments together.
        max_message_bytes: usize = 65_536, in 1_024..=16_777_216;
        /// Seconds until the first message must be there.
        handshake_seconds: u64 = 5, in 1..=300;
        /// Seconds of silence after which a client is pinged.
        ping_interval_seconds: u64 = 20, in 1..=3_600;
        /// Seconds that a pinged client has to show a sign of life.
        ping_timeout_seconds: u64 = 20, in 1..=3_600;
        /// Messages of any kind per second and socket.
        messages_per_second: u32 = 20_000, in 1..=10_000_000;
        /// Messages of one socket that may come at once.
        message_burst: u32 = 40_000, in 1..=10_000_000;
        /// Open sockets.
        max_sockets: usize = 25_000, in 1..=1_000_000;
        /// Open sockets per address.
        max_sockets_per_address: usize = 64, in 1..=1_000_000;
        /// New sockets per second and address.
        connects_per_second: u32 = 20, in 1..=1_000_000;
        /// New sockets of one address that may come at once.
        connect_burst: u32 = 64, in 1..=1_000_000;
        /// Holds 127.0.0.1 and `::1` to the limits per address too. Off, since proxies and load
        /// harnesses on the same machine are all one address.
        limit_loopback: bool = false;
        /// Origins of pages that may connect besides those that this server itself serves, separated
        /// by blanks, as in `https://play.example.org`. "*": any page may.
        origins: String = String::new();
        /// Bytes that may wait unsent in the kernel for one client. Small, so that what a slow
        /// client is sent is new.
        unsent_bytes: u32 = 65_536, in 4_096..=16_777_216;
        /// Seconds that a client may leave what it was sent unacknowledged.
        stall_seconds: u64 = 30, in 1..=3_600;
    }
}

section! {
    /// Logins: who may come in, and how they prove who they are.
    pub struct Login in "login" {
        /// "guest": a name is enough, so anybody is anybody; "jwt": a signed token says who it is.
        mode: LoginMode = LoginMode::Guest;
        /// Folder with the keys that tokens may be signed with, one file each, read at the start and
        /// on SIGHUP. A file's name is the key's id (`kid`) and its form: `ID.pem` or `ID.jwk`, an
        /// Ed25519 public key; `ID.hs256`, a secret in base64 (`ID.hs256raw`: its bytes), 32 bytes or
        /// more, in a file that its owner alone may read.
        keys: String = String::new();
        /// What a token's `aud` must be or hold. Empty: the name of the world, as in "meadow".
        audience: String = String::new();
        /// What a token's `iss` must be. Empty: it is not looked at.
        issuer: String = String::new();
        /// Seconds by which the issuer's clock may differ from ours: for `exp` and `nbf`.
        leeway_seconds: u64 = 30, in 0..=600;
        /// Bytes of a token.
        max_token_bytes: usize = 4_096, in 256..=16_384;
        /// Refused logins of one address that may come at once, and of one account by tokens that
        /// were signed for it. Who has none left is refused a good login, too. This machine's own
        /// addresses are held to it as `gateway.limit_loopback` says.
        failure_burst: u32 = 20, in 1..=1_000_000;
        /// Refused logins that are forgiven per minute.
        failures_per_minute: u32 = 30, in 1..=1_000_000;
        /// Logins of one account that may come at once, resumes by name or token included. From this
        /// machine's own addresses, too, as `gateway.limit_loopback` says.
        login_burst: u32 = 60, in 1..=1_000_000;
        /// Logins of one account per minute.
        logins_per_minute: u32 = 120, in 1..=1_000_000;
    }
}

section! {
    /// TLS, spoken on `server.listen` instead of plain HTTP when a certificate is named.
    pub struct Tls in "tls" {
        /// File with the certificate, and those above it up to one that clients trust, as PEM. Read
        /// at the start and on SIGHUP.
        certificate: String = String::new();
        /// File with the certificate's private key as PEM, which its owner alone may read.
        key: String = String::new();
    }
}

section! {
    /// The operator's orders: `POST /admin/move` and the others.
    pub struct Admin in "admin" {
        /// File with the operator's token: at least 16 letters, digits or signs, in a file that its
        /// owner alone may read. Empty: there is no `/admin`.
        token_file: String = String::new();
        /// Folder in which `POST /admin/backup` makes backups, each in a folder of its own. Empty: it
        /// makes none.
        backups: String = String::new();
    }
}

section! {
    /// The log, on standard error.
    pub struct Log in "log" {
        /// Level, and targets with levels of their own: "info", "info,actors=debug".
        level: String = "info,actix_server=warn".to_owned();
        /// "auto": for people on a terminal, JSON otherwise; "text"; "json".
        format: LogFormat = LogFormat::Auto;
    }
}

/// Every section with its words and keys, in the order of `--print-config`.
pub(crate) fn all() -> [(&'static str, &'static [&'static str], &'static [Key]); 12] {
    [
        (Server::SECTION, Server::ABOUT, Server::KEYS),
        (Engine::SECTION, Engine::ABOUT, Engine::KEYS),
        (Tasks::SECTION, Tasks::ABOUT, Tasks::KEYS),
        (Regions::SECTION, Regions::ABOUT, Regions::KEYS),
        (Supervisor::SECTION, Supervisor::ABOUT, Supervisor::KEYS),
        (Ladder::SECTION, Ladder::ABOUT, Ladder::KEYS),
        (Sessions::SECTION, Sessions::ABOUT, Sessions::KEYS),
        (Gateway::SECTION, Gateway::ABOUT, Gateway::KEYS),
        (Login::SECTION, Login::ABOUT, Login::KEYS),
        (Tls::SECTION, Tls::ABOUT, Tls::KEYS),
        (Admin::SECTION, Admin::ABOUT, Admin::KEYS),
        (Log::SECTION, Log::ABOUT, Log::KEYS),
    ]
}
