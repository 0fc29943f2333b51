//! An NTP server on the workstation, which a machine reaches at QEMU's own address, and which lies
//! when it is told to.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// What [`TimeServer::be_off_by`] takes for a server that does not answer.
const SILENT: i64 = i64::MIN;
/// From 1900 to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// Answers until the process ends.
#[derive(Debug)]
pub struct TimeServer {
    port: u16,
    off_by: Arc<AtomicI64>,
}

impl TimeServer {
    /// One that does not answer yet.
    ///
    /// # Errors
    /// When there is no port for it.
    pub fn silent() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("make a socket")?;
        let port = socket.local_addr().context("find the port")?.port();
        let off_by = Arc::new(AtomicI64::new(SILENT));
        let truth = off_by.clone();
        std::thread::spawn(move || serve(&socket, &truth));
        Ok(Self { port, off_by })
    }

    /// From now on it answers with a time so many seconds from the right one.
    pub fn be_off_by(&self, seconds: i64) {
        self.off_by.store(seconds, Ordering::SeqCst);
    }

    /// Where a machine finds it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn serve(socket: &UdpSocket, off_by: &AtomicI64) {
    let mut request = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut request) {
        let off_by = off_by.load(Ordering::SeqCst);
        let Some(request) = request.first_chunk::<48>().filter(|_| length >= 48) else {
            continue;
        };
        if off_by != SILENT {
            // A client that is gone asks no more.
            let _ = socket.send_to(&reply(request, off_by), client);
        }
    }
}

/// Stratum 1, at this moment (RFC 5905, section 7.3).
fn reply(request: &[u8; 48], off_by: i64) -> [u8; 48] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default() + NTP_TO_UNIX + off_by;
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    // The count of seconds begins anew in 2036.
    let stamp = (seconds.rem_euclid(1 << 32).unsigned_abs() << 32 | fraction).to_be_bytes();
    let mut reply = [0; 48];
    let parts: [(usize, &[u8]); 7] = [
        // No leap second, version 4, server; stratum 1; poll 2^6 s; precision 2^-20 s.
        (0, &[0x24, 1, 6, 0xec]),
        // A root dispersion of some 15 microseconds.
        (8, &[0, 0, 0, 1]),
        (12, b"TEST"),
        (16, &stamp),
        (24, request.last_chunk::<8>().map_or(&[], |sent| sent)),
        (32, &stamp),
        (40, &stamp),
    ];
    for (at, part) in parts {
        let place = reply.get_mut(at..at + part.len());
        place
            .into_iter()
            .for_each(|place| place.copy_from_slice(part));
    }
    reply
}
