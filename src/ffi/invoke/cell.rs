//! A scalar in memory as C has it: the one place where [`Value`] and [`Scalar`] meet bytes.

use crate::ffi::value::{Scalar, Value};

/// Eight bytes, aligned for any scalar or pointer; a scalar lies at the front, in the machine's byte order.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub(super) struct Cell([u8; 8]);

impl Cell {
    /// `value` as a `scalar`; `None` where kind or range do not fit.
    pub(super) fn new(scalar: Scalar, value: &Value) -> Option<Self> {
        match (scalar, value) {
            (Scalar::Bool, Value::Bool(value)) => Some(Self::raw([u8::from(*value)])),
            #[allow(clippy::cast_possible_truncation)]
            (Scalar::F32, Value::Float(value)) => Some(Self::raw((*value as f32).to_ne_bytes())),
            (Scalar::F64, Value::Float(value)) => Some(Self::raw(value.to_ne_bytes())),
            (_, Value::Int(value)) => Self::integer(scalar, i128::from(*value)),
            (_, Value::Uint(value)) => Self::integer(scalar, i128::from(*value)),
            _ => None,
        }
    }

    /// `value` as an integer `scalar`; `None` where it does not fit.
    pub(super) fn integer(scalar: Scalar, value: i128) -> Option<Self> {
        Some(match scalar {
            Scalar::I8 => Self::raw(i8::try_from(value).ok()?.to_ne_bytes()),
            Scalar::I16 => Self::raw(i16::try_from(value).ok()?.to_ne_bytes()),
            Scalar::I32 => Self::raw(i32::try_from(value).ok()?.to_ne_bytes()),
            Scalar::I64 => Self::raw(i64::try_from(value).ok()?.to_ne_bytes()),
            Scalar::U8 => Self::raw(u8::try_from(value).ok()?.to_ne_bytes()),
            Scalar::U16 => Self::raw(u16::try_from(value).ok()?.to_ne_bytes()),
            Scalar::U32 => Self::raw(u32::try_from(value).ok()?.to_ne_bytes()),
            Scalar::U64 => Self::raw(u64::try_from(value).ok()?.to_ne_bytes()),
            Scalar::Bool | Scalar::F32 | Scalar::F64 => return None,
        })
    }

    /// An address.
    pub(super) fn pointer<T>(to: *mut T) -> Self {
        Self::raw(to.expose_provenance().to_ne_bytes())
    }

    /// The address that lies here.
    pub(super) fn address<T>(self) -> *mut T {
        std::ptr::with_exposed_provenance_mut(usize::from_ne_bytes(self.front()))
    }

    fn raw<const N: usize>(bytes: [u8; N]) -> Self {
        let mut cell = Self::default();
        cell.0[..N].copy_from_slice(&bytes);
        cell
    }

    fn front<const N: usize>(self) -> [u8; N] {
        let mut front = [0; N];
        front.copy_from_slice(&self.0[..N]);
        front
    }

    /// The `scalar` that lies here.
    pub(super) fn value(self, scalar: Scalar) -> Value {
        match scalar {
            Scalar::Bool => Value::Bool(self.0[0] != 0),
            Scalar::I8 => Value::Int(i8::from_ne_bytes(self.front()).into()),
            Scalar::I16 => Value::Int(i16::from_ne_bytes(self.front()).into()),
            Scalar::I32 => Value::Int(i32::from_ne_bytes(self.front()).into()),
            Scalar::I64 => Value::Int(i64::from_ne_bytes(self.front())),
            Scalar::U8 => Value::Uint(u8::from_ne_bytes(self.front()).into()),
            Scalar::U16 => Value::Uint(u16::from_ne_bytes(self.front()).into()),
            Scalar::U32 => Value::Uint(u32::from_ne_bytes(self.front()).into()),
            Scalar::U64 => Value::Uint(u64::from_ne_bytes(self.front())),
            Scalar::F32 => Value::Float(f32::from_ne_bytes(self.front()).into()),
            Scalar::F64 => Value::Float(f64::from_ne_bytes(self.front())),
        }
    }

    /// The length that lies here as a `scalar`; `None` for a negative one, or none at all.
    pub(super) fn length(self, scalar: Scalar) -> Option<usize> {
        match self.value(scalar) {
            Value::Int(length) => usize::try_from(length).ok(),
            Value::Uint(length) => usize::try_from(length).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_comes_back_and_the_rest_is_refused() {
        use Scalar::{Bool, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
        let fits = [
            (Bool, Value::Bool(true)),
            (I8, Value::Int(-128)),
            (I16, Value::Int(-32768)),
            (I32, Value::Int(i32::MIN.into())),
            (I64, Value::Int(i64::MIN)),
            (U8, Value::Uint(255)),
            (U16, Value::Uint(65535)),
            (U32, Value::Uint(u32::MAX.into())),
            (U64, Value::Uint(u64::MAX)),
            (F32, Value::Float(-0.5)),
            (F64, Value::Float(1e300)),
        ];
        for (scalar, value) in fits {
            let cell = Cell::new(scalar, &value);
            assert_eq!(cell.map(|cell| cell.value(scalar)), Some(value), "{scalar:?}");
        }
        let misfits = [
            (Bool, Value::Int(1)),
            (I8, Value::Int(128)),
            (U8, Value::Int(-1)),
            (U32, Value::Uint(1 << 32)),
            (I64, Value::Uint(1 << 63)),
            (I32, Value::Bool(true)),
            (I32, Value::Float(1.0)),
            (F64, Value::Int(1)),
            (I32, Value::Bytes(b"1".to_vec())),
            (I32, Value::Null),
        ];
        for (scalar, value) in misfits {
            assert!(Cell::new(scalar, &value).is_none(), "{scalar:?} {value:?}");
        }
    }

    #[test]
    fn a_length_is_not_negative() {
        let cell = |value| Cell::integer(Scalar::I32, value).unwrap();
        assert_eq!(cell(-1).length(Scalar::I32), None);
        assert_eq!(cell(7).length(Scalar::I32), Some(7));
        assert_eq!(cell(-1).length(Scalar::U16), Some(65535));
        assert_eq!(cell(1).length(Scalar::F32), None);
    }
}
