//! Functions with all that their calls need, and what their calls gave back.

use super::CodecError;
use super::reader::Reader;
use super::value::{put_scalar, put_signature, put_value, scalar, signature, value};
use super::writer::Writer;
use crate::ffi::callee::{Callee, Given, Message, Opening, Returned};
use crate::ffi::success::{Operator, Subject, Success, Test};

const OPERATORS: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];

pub(super) fn put_callee(out: &mut Writer<'_>, callee: &Callee) {
    out.text(&callee.symbol);
    put_signature(out, &callee.signature);
    out.maybe(callee.opening.as_ref(), put_opening);
    out.maybe(callee.free.as_ref(), |out, free| out.text(free));
    out.maybe(callee.success.as_ref(), put_success);
    out.maybe(callee.message.as_ref(), put_message);
    out.flag(callee.prints);
}

pub(super) fn callee(input: &mut Reader<'_>) -> Result<Callee, CodecError> {
    Ok(Callee {
        symbol: input.c_text()?,
        signature: signature(input)?,
        opening: input.maybe(opening)?,
        free: input.maybe(Reader::c_text)?,
        success: input.maybe(success)?,
        message: input.maybe(message)?,
        prints: input.flag()?,
    })
}

fn put_opening(out: &mut Writer<'_>, opening: &Opening) {
    out.text(&opening.symbol);
    put_signature(out, &opening.signature);
    out.list(&opening.values, put_value);
    out.maybe(opening.exit.as_ref(), |out, exit| out.text(exit));
}

fn opening(input: &mut Reader<'_>) -> Result<Opening, CodecError> {
    Ok(Opening {
        symbol: input.c_text()?,
        signature: signature(input)?,
        values: input.list(value)?,
        exit: input.maybe(Reader::c_text)?,
    })
}

fn put_success(out: &mut Writer<'_>, success: &Success) {
    out.flag(success.one_is_enough);
    out.list(&success.tests, put_test);
}

fn success(input: &mut Reader<'_>) -> Result<Success, CodecError> {
    Ok(Success { one_is_enough: input.flag()?, tests: input.list(test)? })
}

fn put_test(out: &mut Writer<'_>, test: &Test) {
    match test.subject {
        Subject::Return => out.u8(0),
        Subject::Errno => out.u8(1),
        Subject::Output(place) => {
            out.u8(2);
            out.u16(place);
        }
    }
    let tag = OPERATORS.iter().position(|known| *known == test.operator);
    out.u8(tag.and_then(|tag| u8::try_from(tag).ok()).unwrap_or(u8::MAX));
    put_value(out, &test.operand);
}

fn test(input: &mut Reader<'_>) -> Result<Test, CodecError> {
    let subject = match input.u8()? {
        0 => Subject::Return,
        1 => Subject::Errno,
        2 => Subject::Output(input.u16()?),
        tag => return Err(CodecError::Unknown { what: "subject", tag }),
    };
    let tag = input.u8()?;
    let operator = OPERATORS.get(usize::from(tag)).copied();
    let operator = operator.ok_or(CodecError::Unknown { what: "operator", tag })?;
    Ok(Test { subject, operator, operand: value(input)? })
}

fn put_message(out: &mut Writer<'_>, message: &Message) {
    out.text(&message.symbol);
    match message.given {
        Given::Nothing => out.u8(0),
        Given::Returned(scalar) => {
            out.u8(1);
            put_scalar(out, scalar);
        }
        Given::Errno(scalar) => {
            out.u8(2);
            put_scalar(out, scalar);
        }
        Given::Handle => out.u8(3),
    }
}

fn message(input: &mut Reader<'_>) -> Result<Message, CodecError> {
    let symbol = input.c_text()?;
    let given = match input.u8()? {
        0 => Given::Nothing,
        1 => Given::Returned(scalar(input)?),
        2 => Given::Errno(scalar(input)?),
        3 => Given::Handle,
        tag => return Err(CodecError::Unknown { what: "message", tag }),
    };
    Ok(Message { symbol, given })
}

pub(super) fn put_returned(out: &mut Writer<'_>, returned: &Returned) {
    put_value(out, &returned.value);
    out.list(&returned.outputs, put_value);
    out.i32(returned.errno);
    out.maybe(returned.message.as_ref(), |out, message| out.bytes(message));
}

pub(super) fn returned(input: &mut Reader<'_>) -> Result<Returned, CodecError> {
    Ok(Returned {
        value: value(input)?,
        outputs: input.list(value)?,
        errno: input.i32()?,
        message: input.maybe(Reader::bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::signature::{Return, Signature, Slot};
    use crate::ffi::value::{Scalar, Value};
    use crate::wire::codec::writer::frame;

    fn full(subject: Subject, operator: Operator, given: Given) -> Callee {
        let signature = Signature { returns: Return::Text, slots: vec![Slot::Handle] };
        let opening = Opening {
            symbol: "open".into(),
            signature: Signature { returns: Return::Pointer, slots: vec![Slot::Text] },
            values: vec![Value::Bytes(b"path".to_vec())],
            exit: Some("close".into()),
        };
        let test = Test { subject, operator, operand: Value::Null };
        Callee {
            opening: Some(opening),
            free: Some("free".into()),
            success: Some(Success { one_is_enough: true, tests: vec![test] }),
            message: Some(Message { symbol: "strerror".into(), given }),
            prints: true,
            ..Callee::plain("find", signature)
        }
    }

    #[test]
    fn all_of_a_function_survives_the_journey() {
        let subjects = [Subject::Return, Subject::Errno, Subject::Output(u16::MAX)];
        let givens =
            [Given::Nothing, Given::Returned(Scalar::I8), Given::Errno(Scalar::I32), Given::Handle];
        let mut callees =
            vec![Callee::plain("f", full(subjects[0], OPERATORS[0], givens[0]).signature)];
        for operator in OPERATORS {
            for (subject, given) in subjects.iter().cycle().zip(givens) {
                callees.push(full(*subject, operator, given));
            }
        }
        for expected in callees {
            let mut bytes = Vec::new();
            frame(&mut bytes, 0, |out| put_callee(out, &expected));
            assert_eq!(Reader::whole(&bytes[5..], callee), Ok(expected.clone()));
            for end in 5..bytes.len() {
                assert!(
                    Reader::whole(&bytes[5..end], callee).is_err(),
                    "{expected:?} cut at {end}"
                );
            }
        }
    }
}
