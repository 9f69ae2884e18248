//! Moves bytes between two sockets by epoll and parses nothing. Edge-triggered: each socket is registered once, and a
//! read that does not fill the buffer has emptied the socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// The listener's; a socket's is twice the index of its pair, and one more for the upstream's.
const LISTENER: u64 = u64::MAX;
const BUFFER: usize = 64 << 10;

struct Pair {
    sockets: [TcpStream; 2],
    /// What each socket would not take yet.
    held: [Vec<u8>; 2],
}

struct Pump {
    poll: OwnedFd,
    listener: TcpListener,
    upstream: SocketAddr,
    pairs: Vec<Option<Pair>>,
    buffer: Vec<u8>,
}

/// Until the process is ended.
pub fn run(listener: TcpListener, upstream: SocketAddr) {
    let poll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    listener.set_nonblocking(true).unwrap();
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN).unwrap();
    let mut pump = Pump { poll, listener, upstream, pairs: Vec::new(), buffer: vec![0; BUFFER] };
    let mut events = Vec::with_capacity(512);
    loop {
        epoll::wait(&pump.poll, spare_capacity(&mut events), None).unwrap();
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => pump.accept(),
                key => pump.turn((key / 2) as usize, (key % 2) as usize, event.flags),
            }
        }
    }
}

impl Pump {
    fn accept(&mut self) {
        while let Ok((client, _)) = self.listener.accept() {
            let sockets = [client, TcpStream::connect(self.upstream).unwrap()];
            // A place is never used again: an event of this turn may still mean the pair that had it.
            let key = self.pairs.len() as u64 * 2;
            for (side, socket) in sockets.iter().enumerate() {
                socket.set_nonblocking(true).unwrap();
                socket.set_nodelay(true).unwrap();
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
                let data = EventData::new_u64(key + side as u64);
                epoll::add(&self.poll, socket, data, flags).unwrap();
            }
            self.pairs.push(Some(Pair { sockets, held: Default::default() }));
        }
    }

    fn turn(&mut self, index: usize, side: usize, flags: EventFlags) {
        let Some(pair) = &mut self.pairs[index] else { return };
        let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let waited = flags.contains(EventFlags::OUT) && !pair.held[side].is_empty();
        let open = (!waited || pair.pass_on(1 - side, ends, &mut self.buffer))
            && (!flags.contains(EventFlags::IN) || pair.pass_on(side, ends, &mut self.buffer));
        if !open {
            self.pairs[index] = None;
        }
    }
}

impl Pair {
    /// What `from` has, to the other. False at its end.
    fn pass_on(&mut self, from: usize, ends: bool, buffer: &mut [u8]) -> bool {
        let to = 1 - from;
        let held = std::mem::take(&mut self.held[to]);
        if !held.is_empty() && !self.give(to, &held) {
            return true;
        }
        loop {
            let read = match self.sockets[from].read(buffer) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            if !self.give(to, &buffer[..read]) || (read < buffer.len() && !ends) {
                return true;
            }
        }
    }

    /// Writes; what is not taken is held. Whether all was.
    fn give(&mut self, to: usize, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.sockets[to].write(rest) {
                Ok(written) => rest = &rest[written..],
                // An error shows again when this side is read.
                Err(_) => break,
            }
        }
        self.held[to].extend_from_slice(rest);
        rest.is_empty()
    }
}
