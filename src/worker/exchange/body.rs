//! The body of a handler's request: whole from the beginning, or in pieces as it is asked for.

use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::io::Errno;

use super::errno;
use crate::wire::Request;
use crate::worker::control::{ControlError, Piece};

/// Bytes that are gathered for who wants a streamed body as a whole.
const MOST: usize = 64 * 1024 * 1024;

/// Threads that read at once share it between them, and get no byte twice.
#[derive(Debug)]
pub(super) struct Body {
    /// With one NUL more than the client sent; of a streamed one, once somebody asked for it.
    whole: OnceLock<Option<Vec<u8>>>,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    piece: Vec<u8>,
    /// How much of the piece, or of the whole, was read.
    position: usize,
    is_begun: bool,
    end: Option<Result<(), Errno>>,
}

impl Body {
    /// Takes it out of `request`.
    pub(super) fn of(request: &mut Request) -> Self {
        let whole = OnceLock::new();
        if !request.is_streamed {
            let _first = whole.set(Some(with_nul(std::mem::take(&mut request.body))));
        }
        Self { whole, rest: Mutex::default() }
    }

    /// All of it; `None` where it did not come whole, is too large, or was read in part.
    pub(super) fn whole(&self, next: impl Fn() -> Result<Piece, ControlError>) -> Option<&[u8]> {
        let gathered = self.whole.get_or_init(|| self.rest().gather(next).map(with_nul));
        gathered.as_deref().map(without_nul)
    }

    /// The next bytes, as many as there are; 0 at its end.
    pub(super) fn read(
        &self,
        into: &mut [MaybeUninit<u8>],
        next: impl Fn() -> Result<Piece, ControlError>,
    ) -> Result<usize, Errno> {
        let mut rest = self.rest();
        let Rest { position, .. } = &mut *rest;
        match self.whole.get() {
            Some(Some(whole)) => Ok(copy(without_nul(whole), position, into)),
            _ if into.is_empty() => Ok(0),
            _ => rest.read(into, next),
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rest {
    fn read(
        &mut self,
        into: &mut [MaybeUninit<u8>],
        next: impl Fn() -> Result<Piece, ControlError>,
    ) -> Result<usize, Errno> {
        self.is_begun = true;
        while self.position == self.piece.len() {
            match self.end {
                Some(end) => return end.map(|()| 0),
                None => self.fill(&next),
            }
        }
        Ok(copy(&self.piece, &mut self.position, into))
    }

    /// The next piece, or the end, which stays.
    fn fill(&mut self, next: impl Fn() -> Result<Piece, ControlError>) {
        self.piece.clear();
        self.position = 0;
        match next() {
            Ok(Piece::Data(data)) => self.piece = data,
            Ok(Piece::End) => self.end = Some(Ok(())),
            Ok(Piece::Lost) => self.end = Some(Err(Errno::CONNRESET)),
            Err(error) => self.end = Some(Err(errno(error))),
        }
    }

    fn gather(&mut self, next: impl Fn() -> Result<Piece, ControlError>) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        while !self.is_begun && self.end.is_none() {
            self.fill(&next);
            if whole.len() + self.piece.len() > MOST {
                self.end = Some(Err(Errno::FBIG));
            }
            whole.append(&mut self.piece);
        }
        (self.end == Some(Ok(())) && !self.is_begun).then_some(whole)
    }
}

fn copy(from: &[u8], position: &mut usize, into: &mut [MaybeUninit<u8>]) -> usize {
    let left = from.get(*position..).unwrap_or_default();
    let count = left.len().min(into.len());
    for (to, byte) in into.iter_mut().zip(left) {
        to.write(*byte);
    }
    *position += count;
    count
}

fn with_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(0);
    bytes
}

fn without_nul(bytes: &[u8]) -> &[u8] {
    bytes.split_last().map_or(&[], |(_nul, bytes)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Result<Piece, ControlError> {
        Err(ControlError::Closed)
    }

    fn whole(text: &[u8]) -> Body {
        Body::of(&mut Request { body: text.to_vec(), ..Request::default() })
    }

    /// A streamed body, and what gives its pieces.
    fn streamed(pieces: Vec<Piece>) -> (Body, impl Fn() -> Result<Piece, ControlError>) {
        let pieces = Mutex::new(pieces.into_iter());
        let body = Body::of(&mut Request { is_streamed: true, ..Request::default() });
        (body, move || pieces.lock().unwrap().next().ok_or(ControlError::Closed))
    }

    fn data(text: &str) -> Piece {
        Piece::Data(text.into())
    }

    fn read(
        body: &Body,
        most: usize,
        next: impl Fn() -> Result<Piece, ControlError>,
    ) -> Result<String, Errno> {
        let mut into = vec![MaybeUninit::new(0); most];
        let count = body.read(&mut into, next)?;
        // SAFETY: all of it was initialised above.
        let read = into.iter().take(count).map(|byte| unsafe { byte.assume_init() });
        Ok(String::from_utf8(read.collect()).unwrap())
    }

    #[test]
    fn reading_ends_with_the_body_and_the_whole_stays() {
        let body = whole(b"seven b");
        let pieces = [3, 0, 100, 3].map(|most| read(&body, most, none).unwrap());
        assert_eq!(pieces, ["sev", "", "en b", ""]);
        assert_eq!(body.whole(none), Some(&b"seven b"[..]));
    }

    #[test]
    fn a_streamed_body_comes_in_its_pieces() {
        let (body, next) = streamed(vec![data("abcd"), data("ef"), Piece::End]);
        let pieces = [3, 3, 3, 3, 3].map(|most| read(&body, most, &next).unwrap());
        assert_eq!(pieces, ["abc", "d", "ef", "", ""]);
        assert_eq!(body.whole(&next), None);
    }

    #[test]
    fn a_streamed_body_is_gathered_for_who_wants_all_of_it() {
        let (body, next) = streamed(vec![data("abcd"), data("ef"), Piece::End]);
        assert_eq!(body.whole(&next), Some(&b"abcdef"[..]));
        assert_eq!(read(&body, 4, &next).unwrap(), "abcd");
        assert_eq!(body.whole(&next), Some(&b"abcdef"[..]));
    }

    #[test]
    fn what_is_lost_stays_lost() {
        let (body, next) = streamed(vec![data("ab"), Piece::Lost]);
        assert_eq!(read(&body, 9, &next).unwrap(), "ab");
        for _ in 0..2 {
            assert_eq!(read(&body, 9, &next), Err(Errno::CONNRESET));
        }
        let (body, next) = streamed(vec![data("ab"), Piece::Lost]);
        assert_eq!(body.whole(&next), None);
        assert_eq!(read(&body, 9, &next), Err(Errno::CONNRESET));
    }
}
