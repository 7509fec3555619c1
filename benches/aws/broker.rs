//! The real binary, with a data directory and a key of its own.

use super::{Failure, client::Key};
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(super) struct Broker {
    pub(super) address: SocketAddr,
    process: Child,
    _data: tempfile::TempDir,
}

impl Broker {
    pub(super) fn start(key: &Key) -> Result<Self, Failure> {
        // Beside the build, so that it is the disk and not a file system in memory.
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (secret, store) = (data.path().join("secret"), data.path().join("data"));
        fs::write(&secret, &key.secret)?;
        let imported = forebay(&store)
            .args(["access", "key", "import", "--offline", "--id", &key.id, "--secret-file"])
            .arg(&secret)
            .stdout(Stdio::null())
            .status()?;
        if !imported.success() {
            return Err("the key was not imported".into());
        }
        let process = forebay(&store)
            .args(["serve", "--listen", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let broker = Self { address, process, _data: data };
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > patience {
                return Err(format!("the broker does not answer at {address}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(broker)
    }
}

fn forebay(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.env("FOREBAY__SERVER__DATA_DIR", store);
    command
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A process that has ended already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
