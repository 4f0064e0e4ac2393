//! A cursor over one payload.

use bytes::Bytes;

use super::COPIED_LEN_MAX;

/// What is left of a payload. Every `take` either succeeds whole or leaves `None`; why it
/// failed is the tolerant reader's business ([`dissect`](mod@super::dissect)).
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The buffer that `rest` lies in, so that long fields can share it.
    shared: Option<&'a Bytes>,
    canonical: bool,
}

impl<'a> Reader<'a> {
    /// Reads borrowed bytes; long fields are copied.
    pub fn new(payload: &'a [u8]) -> Self {
        Reader { rest: payload, shared: None, canonical: true }
    }

    /// Reads a shared buffer; long fields keep a reference to it.
    pub fn shared(payload: &'a Bytes) -> Self {
        Reader { rest: payload, shared: Some(payload), canonical: true }
    }

    /// The bytes that no field has taken.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// False when a field was legal but would be encoded differently by us
    /// (a BOOL with upper bits set, spec 3.1).
    #[inline(always)]
    pub fn is_canonical(&self) -> bool {
        self.canonical
    }

    #[inline(always)]
    pub(crate) fn not_canonical(&mut self) {
        self.canonical = false;
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// A little-endian length of `PREFIX` bytes (1 to 4).
    #[inline(always)]
    pub(crate) fn prefix<const PREFIX: usize>(&mut self) -> Option<usize> {
        let bytes = self.array::<PREFIX>()?;
        let mut wide = [0; 4];
        wide[..PREFIX].copy_from_slice(&bytes);
        Some(u32::from_le_bytes(wide) as usize)
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self, len: usize) -> Option<Bytes> {
        let taken = self.take(len)?;
        Some(match self.shared {
            Some(shared) if len > COPIED_LEN_MAX => shared.slice_ref(taken),
            _ => Bytes::copy_from_slice(taken),
        })
    }

    /// Everything that is left.
    pub(crate) fn into_rest(mut self) -> Bytes {
        self.bytes(self.rest.len()).unwrap_or_default()
    }
}
