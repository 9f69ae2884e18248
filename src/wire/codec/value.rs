//! Values and signatures: one tag byte each, then what the tag says.

use super::CodecError;
use super::reader::Reader;
use super::writer::Writer;
use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::value::{Scalar, Value};

const SCALARS: [Scalar; 11] = [
    Scalar::Bool,
    Scalar::I8,
    Scalar::I16,
    Scalar::I32,
    Scalar::I64,
    Scalar::U8,
    Scalar::U16,
    Scalar::U32,
    Scalar::U64,
    Scalar::F32,
    Scalar::F64,
];

pub(super) fn put_scalar(out: &mut Writer<'_>, scalar: Scalar) {
    let tag = SCALARS.iter().position(|known| *known == scalar);
    out.u8(tag.and_then(|tag| u8::try_from(tag).ok()).unwrap_or(u8::MAX));
}

pub(super) fn scalar(input: &mut Reader<'_>) -> Result<Scalar, CodecError> {
    let tag = input.u8()?;
    let known = SCALARS.get(usize::from(tag)).copied();
    known.ok_or(CodecError::Unknown { what: "scalar", tag })
}

pub(super) fn put_value(out: &mut Writer<'_>, value: &Value) {
    match value {
        Value::Void => out.u8(0),
        Value::Null => out.u8(1),
        Value::Bool(value) => {
            out.u8(2);
            out.u8(u8::from(*value));
        }
        Value::Int(value) => {
            out.u8(3);
            out.u64(value.cast_unsigned());
        }
        Value::Uint(value) => {
            out.u8(4);
            out.u64(*value);
        }
        Value::Float(value) => {
            out.u8(5);
            out.u64(value.to_bits());
        }
        Value::Bytes(value) => {
            out.u8(6);
            out.bytes(value);
        }
    }
}

pub(super) fn value(input: &mut Reader<'_>) -> Result<Value, CodecError> {
    Ok(match input.u8()? {
        0 => Value::Void,
        1 => Value::Null,
        2 => Value::Bool(input.flag()?),
        3 => Value::Int(input.u64()?.cast_signed()),
        4 => Value::Uint(input.u64()?),
        5 => Value::Float(f64::from_bits(input.u64()?)),
        6 => Value::Bytes(input.bytes()?),
        tag => return Err(CodecError::Unknown { what: "value", tag }),
    })
}

pub(super) fn put_signature(out: &mut Writer<'_>, signature: &Signature) {
    match signature.returns {
        Return::Void => out.u8(0),
        Return::Scalar(scalar) => {
            out.u8(1);
            put_scalar(out, scalar);
        }
        Return::Text => out.u8(2),
        Return::Pointer => out.u8(3),
        Return::Bytes => out.u8(4),
    }
    out.list(&signature.slots, |out, slot| put_slot(out, *slot));
}

pub(super) fn signature(input: &mut Reader<'_>) -> Result<Signature, CodecError> {
    let returns = match input.u8()? {
        0 => Return::Void,
        1 => Return::Scalar(scalar(input)?),
        2 => Return::Text,
        3 => Return::Pointer,
        4 => Return::Bytes,
        tag => return Err(CodecError::Unknown { what: "return type", tag }),
    };
    Ok(Signature { returns, slots: input.list(slot)? })
}

fn put_slot(out: &mut Writer<'_>, slot: Slot) {
    match slot {
        Slot::Scalar(scalar) => {
            out.u8(0);
            put_scalar(out, scalar);
        }
        Slot::Text => out.u8(1),
        Slot::Bytes => out.u8(2),
        Slot::Length { of, scalar } => {
            out.u8(3);
            out.u16(of);
            put_scalar(out, scalar);
        }
        Slot::Buffer { capacity, is_taken, is_text } => {
            out.u8(4);
            out.u64(capacity);
            out.flag(is_taken);
            out.flag(is_text);
        }
        Slot::BufferLength { of, scalar } => {
            out.u8(5);
            out.u16(of);
            put_scalar(out, scalar);
        }
        Slot::Out(scalar) => {
            out.u8(6);
            put_scalar(out, scalar);
        }
        Slot::InOut(scalar) => {
            out.u8(7);
            put_scalar(out, scalar);
        }
        Slot::TimeLeft(scalar) => {
            out.u8(8);
            put_scalar(out, scalar);
        }
        Slot::Handle => out.u8(9),
        Slot::HandleOut => out.u8(10),
        Slot::Null => out.u8(11),
        Slot::Capacity { of, scalar } => {
            out.u8(12);
            out.u16(of);
            put_scalar(out, scalar);
        }
        Slot::ReturnLength(scalar) => {
            out.u8(13);
            put_scalar(out, scalar);
        }
        Slot::PutText => out.u8(14),
        Slot::PutBytes => out.u8(15),
    }
}

fn slot(input: &mut Reader<'_>) -> Result<Slot, CodecError> {
    Ok(match input.u8()? {
        0 => Slot::Scalar(scalar(input)?),
        1 => Slot::Text,
        2 => Slot::Bytes,
        3 => Slot::Length { of: input.u16()?, scalar: scalar(input)? },
        4 => {
            Slot::Buffer { capacity: input.u64()?, is_taken: input.flag()?, is_text: input.flag()? }
        }
        5 => Slot::BufferLength { of: input.u16()?, scalar: scalar(input)? },
        6 => Slot::Out(scalar(input)?),
        7 => Slot::InOut(scalar(input)?),
        8 => Slot::TimeLeft(scalar(input)?),
        9 => Slot::Handle,
        10 => Slot::HandleOut,
        11 => Slot::Null,
        12 => Slot::Capacity { of: input.u16()?, scalar: scalar(input)? },
        13 => Slot::ReturnLength(scalar(input)?),
        14 => Slot::PutText,
        15 => Slot::PutBytes,
        tag => return Err(CodecError::Unknown { what: "parameter", tag }),
    })
}

#[cfg(test)]
mod tests {
    use super::super::writer::frame;
    use super::*;

    fn body(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        frame(&mut out, 0, write);
        out.split_off(5)
    }

    #[test]
    fn values_survive_the_journey() {
        let values = [
            Value::Void,
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
            Value::Int(i64::MIN),
            Value::Int(-1),
            Value::Uint(u64::MAX),
            Value::Float(-0.5),
            Value::Bytes(Vec::new()),
            Value::Bytes(vec![0, 255, 10]),
        ];
        for expected in values {
            let bytes = body(|out| put_value(out, &expected));
            assert_eq!(Reader::whole(&bytes, value), Ok(expected));
        }
    }

    #[test]
    fn signatures_survive_the_journey() {
        let slots = SCALARS
            .into_iter()
            .flat_map(|scalar| {
                [
                    Slot::Scalar(scalar),
                    Slot::Length { of: 7, scalar },
                    Slot::Capacity { of: 8, scalar },
                    Slot::ReturnLength(scalar),
                    Slot::BufferLength { of: u16::MAX, scalar },
                    Slot::Out(scalar),
                    Slot::InOut(scalar),
                    Slot::TimeLeft(scalar),
                ]
            })
            .chain([Slot::Text, Slot::Bytes, Slot::PutText, Slot::PutBytes])
            .chain([true, false].map(|is_text| Slot::Buffer {
                capacity: u64::MAX,
                is_taken: !is_text,
                is_text,
            }))
            .chain([Slot::Handle, Slot::HandleOut, Slot::Null])
            .collect::<Vec<_>>();
        let scalar = Return::Scalar(Scalar::F32);
        for returns in [Return::Void, Return::Text, Return::Pointer, Return::Bytes, scalar] {
            let expected = Signature { returns, slots: slots.clone() };
            let bytes = body(|out| put_signature(out, &expected));
            assert_eq!(Reader::whole(&bytes, signature), Ok(expected));
        }
    }

    #[test]
    fn unknown_tags_are_refused() {
        let unknown = |what, tag| CodecError::Unknown { what, tag };
        assert_eq!(Reader::whole(&[7], value), Err(unknown("value", 7)));
        assert_eq!(Reader::whole(&[2, 2], value), Err(unknown("bool", 2)));
        assert_eq!(Reader::whole(&[5], signature), Err(unknown("return type", 5)));
        assert_eq!(Reader::whole(&[1, 11], signature), Err(unknown("scalar", 11)));
        assert_eq!(Reader::whole(&[0, 1, 0, 0, 0, 16], signature), Err(unknown("parameter", 16)));
    }
}
