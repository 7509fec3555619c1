//! The one table of keys. From each row come the field of [`Config`], the check of its text, the default, the line of the annotated file
//! and the row of `forebay config show`.

use super::unit::{
    Account, Address, Addresses, Corruption, Count, Count32, Filter, Flag, Format, OptionalPath, Path, Percent, Region,
    Shape, Size, Text, Time, TimeOrOff, Unit,
};
use std::fmt;

/// A section of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub name: &'static str,
    /// Sentences for the annotated file.
    pub doc: &'static str,
    pub keys: &'static [Key],
}

/// A key of the configuration.
#[derive(Clone, Copy)]
pub struct Key {
    /// Section and key, as in `server.data_dir`.
    pub name: &'static str,
    /// Sentences for the annotated file.
    pub doc: &'static str,
    /// The default as it is written.
    pub default: &'static str,
    /// The least and the greatest value allowed, as they are written.
    pub range: Option<(&'static str, &'static str)>,
    pub shape: Shape,
    /// Whether a new value counts without a restart.
    pub reloadable: bool,
    check: fn(&str) -> Result<(), String>,
}

impl Key {
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().copied().find(|key| key.name == name)
    }

    /// Tells whether the text is a value this key takes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, text: &str) -> Result<(), String> {
        (self.check)(text)
    }

    /// The value as it stands in a TOML file.
    pub fn quote(&self, text: &str) -> String {
        match self.shape {
            Shape::Quoted => toml::Value::String(text.to_owned()).to_string(),
            Shape::Number | Shape::Flag => text.to_owned(),
        }
    }

    /// The key without its section.
    pub fn short(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

fn within<V: PartialOrd>(value: &V, text: &str, low: (V, &str), high: (V, &str)) -> Result<(), String> {
    if *value < low.0 || *value > high.0 {
        return Err(format!("{text:?} is outside {} to {}", low.1, high.1));
    }
    Ok(())
}

macro_rules! table {
    ($(
        $(#[doc = $section_doc:literal])+
        $section_name:literal $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $unit:ident = $default:literal $(in $low:literal .. $high:literal)? $(=> $reload:ident)?;
            )+
        }
    )+) => {
        /// What the broker was told, every value checked.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $section_doc])+ pub $section: $Section,)+
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section {
                $($(#[doc = $doc])+ pub $field: <$unit as Unit>::Value,)+
            }
        )+

        /// Every section, in the order of the annotated file.
        pub const SECTIONS: &[Section] = &[$(
            Section {
                name: $section_name,
                doc: concat!($($section_doc, "\n"),+),
                keys: &[$(
                    Key {
                        name: concat!($section_name, ".", stringify!($field)),
                        doc: concat!($($doc, "\n"),+),
                        default: $default,
                        range: table!(@range $($low, $high)?),
                        shape: <$unit as Unit>::SHAPE,
                        reloadable: table!(@reload $($reload)?),
                        check: |text| {
                            let _value = <$unit as Unit>::parse(text)?;
                            $(within(&_value, text, (<$unit as Unit>::parse($low)?, $low), (<$unit as Unit>::parse($high)?, $high))?;)?
                            Ok(())
                        },
                    },
                )+],
            },
        )+];

        impl Config {
            /// Builds the configuration from the text of every key.
            ///
            /// # Errors
            /// The first key whose text is not valid, and why.
            pub fn from_texts<'t>(text_of: impl Fn(&'static str) -> &'t str) -> Result<Self, (&'static str, String)> {
                Ok(Self {
                    $($section: $Section {
                        $($field: {
                            let name = concat!($section_name, ".", stringify!($field));
                            <$unit as Unit>::parse(text_of(name)).map_err(|error| (name, error))?
                        },)+
                    },)+
                })
            }
        }
    };
    (@range) => { None };
    (@range $low:literal, $high:literal) => { Some(($low, $high)) };
    (@reload) => { false };
    (@reload reloadable) => { true };
}

table! {
    /// The process as a whole.
    "server" server: Server {
        /// Where everything lives that must survive a restart. One process at a time may use it.
        data_dir: Path = "./forebay-data";
        /// The region of those who name none. Queues of another region are others, also under the same name.
        region: Region = "us-east-1";
        /// The account that runs the server: of the first access key, and of those who administer. 12 digits.
        account_id: Account = "000000000000";
        /// What queue URLs begin with. Empty: the host that the request names.
        public_url: Text = "";
        /// How long calls that are under way may take to finish after SIGTERM.
        drain_timeout: Time = "30s" in "0s" .. "1h";
        /// Threads that serve connections. 0: one a core.
        worker_threads: Count = "0" in "0" .. "1024";
        /// Partitions that share the queues, each with a thread; fixed when the data directory is made. 0: one a core.
        partitions: Count32 = "0" in "0" .. "128";
    }

    /// Where clients connect.
    "listen.api" api: Api {
        /// Address and port. Anything but loopback needs a certificate in [listen.api.tls], or `insecure = true` beside it.
        address: Address = "127.0.0.1:9400";
        /// Listen on an address that others can reach, and take access keys, over connections that they can read.
        insecure: Flag = "false";
        /// Connections open at a time; more are told that the server is full, and closed.
        max_connections: Count = "10_000" in "1" .. "10_000_000";
        /// The largest request that is read.
        max_request_bytes: Size = "16MiB" in "1MiB" .. "256MiB";
        /// How often an idle connection is asked whether its other end is alive.
        keepalive: TimeOrOff = "20s";
        /// After this age a connection is told to finish and come again. Set it behind a load balancer.
        max_connection_age: TimeOrOff = "off";
        /// Calls open at a time on one connection.
        max_concurrent_streams: Count32 = "256" in "1" .. "100_000";
    }

    /// TLS of every address that clients connect to. The files are read again when they change, and on SIGHUP; what is
    /// wrong with them then is logged, and the old ones stay in use.
    "listen.api.tls" tls: Tls {
        /// The certificate and those that lead to a known authority, in PEM. Empty: no TLS.
        cert_file: OptionalPath = "";
        /// The certificate's private key, in PEM.
        key_file: OptionalPath = "";
        /// Authorities, in PEM, one of which must have signed the certificate that a client then has to show. Empty: none is asked.
        client_ca_file: OptionalPath = "";
    }

    /// More addresses at which the same is served under the same rules, such as the ports that emulators use.
    "listen.extra" extra: Extra {
        /// Addresses and ports, separated by commas: "127.0.0.1:9324, 127.0.0.1:4566".
        addresses: Addresses = "";
    }

    /// Who may call. Every call proves that it has an access key, unless the server runs with --dev. `forebay access key`
    /// makes, imports, lists and revokes keys.
    "auth" auth: Auth {
        /// A file with one line ID:SECRET: the administrator's access key of a data directory that has none yet. Empty: the
        /// first start makes one, and shows it once on standard error.
        bootstrap_key_file: Text = "";
    }

    /// The log and what is derived from it.
    "storage" storage: Storage {
        /// Bytes of one file of the log. Files are filled with zeros ahead of use, so they take their whole size at once. On a
        /// small disk they are a sixteenth of it, but 4MiB at least.
        segment_size: Size = "64MiB" in "4MiB" .. "4GiB";
        /// How long a commit waits for more writers to share its sync. 0ms: only those that wait already share it.
        group_commit_delay: Time = "0ms" in "0ms" .. "100ms";
        /// Below this share of free disk nothing that grows is accepted; receiving and deleting go on. It is accepted again by
        /// itself once 2 % of the disk more is free, or two fifths of the limit where that is less.
        min_free: Percent = "5%" in "0%" .. "90%";
        /// The same as a number of bytes. The smaller of the two counts.
        min_free_bytes: Size = "2GiB";
        /// Bytes of the newest entries kept in memory, so that consumers who keep up never read the disk.
        hot_tail: Size = "32MiB" in "0B" .. "64GiB";
        /// Bytes that the log may take besides what lives in it and a quarter of that. Past that, what lives at its old end
        /// moves to the archive, and the end is given back. On a small disk it is a quarter of it, on a nearly full one nothing.
        log_retain: Size = "1GiB" in "64MiB" .. "16TiB";
        /// Whether the log is written past the page cache, where the file system can: less work and waiting a commit. With
        /// false what was written lately is read back from memory, which helps late consumers on a slow disk.
        direct_writes: Flag = "true";
        /// What to do at start when an acknowledged entry is damaged. "quarantine": name what was lost and serve the rest.
        /// "strict": refuse to start.
        on_corruption: Corruption = "quarantine";
        /// Bytes a second at which the sealed files of the log and of streams are read again, to find damage before anybody needs
        /// what is damaged. "0B": only `forebay server verify` does. The first pass begins ten minutes after the start.
        scrub_rate: Size = "8MiB" in "0B" .. "4GiB";
        /// From the beginning of one such pass to that of the next, at least.
        scrub_interval: Time = "24h" in "1m" .. "365d";
    }

    /// The index, which can be thrown away and built again from the log.
    "storage.index" index: Index {
        /// Memory for pages of the index.
        cache: Size = "16MiB" in "1MiB" .. "64GiB";
        /// How often the state is written down, so that a start replays little.
        checkpoint_interval: Time = "5s" in "100ms" .. "1h";
        /// After how many bytes of log it is written down earlier than that.
        checkpoint_bytes: Size = "64MiB" in "1MiB" .. "64GiB";
    }

    /// What the broker holds at most, so that nobody can take everything.
    "limits" limits: Limits {
        /// Messages of one queue that are received and not settled.
        in_flight_per_queue: Count = "120_000" in "1" .. "10_000_000";
        /// Queues.
        queues: Count = "100_000" in "1" .. "100_000_000";
        /// Bytes of work waiting for one partition; past it a call is told to come back.
        inbox_bytes: Size = "64MiB" in "1MiB" .. "16GiB";
        /// Messages that one Consume call may ask to have outstanding.
        consume_outstanding_messages: Count32 = "100_000" in "1" .. "1_000_000";
        /// Bytes that one Produce call may have unacknowledged.
        produce_outstanding_bytes: Size = "16MiB" in "1MiB" .. "1GiB";
        /// Open shards that the provisioned streams of one account have, in one region. AWS begins with 500.
        stream_shards: Count = "10_000" in "1" .. "1_000_000";
        /// On-demand streams of one account in one region. AWS begins with 50.
        on_demand_streams: Count = "10_000" in "1" .. "10_000";
        /// Registered consumers of one stream. AWS has 50 for accounts that commit themselves.
        stream_consumers: Count = "20" in "1" .. "1_000";
    }

    /// Queues in general.
    "queues" queues: Queues {
        /// How long the name of a deleted queue is refused. 60s is what AWS does.
        recreate_wait: Time = "0s" in "0s" .. "1h";
    }

    /// What a queue gets that does not say otherwise when it is created.
    "queues.defaults" queue_defaults: QueueDefaults {
        /// How long a received message stays hidden from others.
        visibility_timeout: Time = "30s" in "0s" .. "12h";
        /// How long a message is kept that nobody deletes.
        retention: Time = "4d" in "60s" .. "14d";
        /// How long a receive waits for a first message.
        receive_wait: Time = "0s" in "0s" .. "20s";
    }

    /// Streams in general.
    "streams" streams: Streams {
        /// Whether each shard of a provisioned stream takes in 1 MiB and 1,000 records a second and gives out 2 MiB in 5 reads, and
        /// refuses more, as on AWS.
        shard_limits: Flag = "true";
    }

    /// What a Consume call gets that does not say otherwise.
    "consume.defaults" consume: ConsumeDefaults {
        /// Messages delivered and not yet settled.
        max_outstanding_messages: Count32 = "32" in "1" .. "1_000_000";
        /// Bytes delivered and not yet settled.
        max_outstanding_bytes: Size = "4MiB" in "1KiB" .. "1GiB";
        /// The age up to which the broker extends the leases of a call that lives.
        max_lease: Time = "1h" in "1s" .. "12h";
    }

    /// What the broker says about itself, on standard error.
    "log" log: Log {
        /// "text" for people, "json" for programs, "auto": text on a terminal, else json.
        format: Format = "auto";
        /// A level (error, warn, info, debug, trace), or directives such as "info,forebay::engine=debug".
        filter: Filter = "info" => reloadable;
    }
}

/// Every key, in the order of the annotated file.
pub static KEYS: std::sync::LazyLock<Vec<&'static Key>> =
    std::sync::LazyLock::new(|| SECTIONS.iter().flat_map(|section| section.keys).collect());
