//! What the parser takes and what it refuses, as tables.

use super::*;
use crate::ffi::value::Scalar;

fn pointer(to: Pointee, is_const: bool) -> CType {
    CType::Pointer { to, is_const }
}

#[test]
fn a_declaration_from_a_header_is_read() {
    let text = "/* Resizes. */ extern \"C\" int resize(const uint8_t *in, // the picture\n size_t n,\n int w, uint8_t *out, size_t *out_len);\n";
    let read = parse(text).unwrap();
    assert_eq!((read.name.as_str(), read.returns), ("resize", Return::Scalar(Scalar::I32)));
    let parameters: Vec<_> = read.parameters.iter().map(|p| (p.name.as_str(), p.ctype)).collect();
    let expected = [
        ("in", pointer(Pointee::Bytes, true)),
        ("n", CType::Scalar(Scalar::U64)),
        ("w", CType::Scalar(Scalar::I32)),
        ("out", pointer(Pointee::Bytes, false)),
        ("out_len", pointer(Pointee::Scalar(Scalar::U64), false)),
    ];
    assert_eq!(parameters, expected);
    assert_eq!(&text[read.parameters[1].span.clone()], "size_t n");
}

#[test]
fn every_way_to_write_a_type() {
    for (written, expected) in [
        ("int", CType::Scalar(Scalar::I32)),
        ("const int", CType::Scalar(Scalar::I32)),
        ("int const", CType::Scalar(Scalar::I32)),
        ("signed", CType::Scalar(Scalar::I32)),
        ("unsigned", CType::Scalar(Scalar::U32)),
        ("short int", CType::Scalar(Scalar::I16)),
        ("unsigned short", CType::Scalar(Scalar::U16)),
        ("long", CType::Scalar(Scalar::I64)),
        ("long unsigned int", CType::Scalar(Scalar::U64)),
        ("unsigned long long", CType::Scalar(Scalar::U64)),
        ("long long int", CType::Scalar(Scalar::I64)),
        ("signed char", CType::Scalar(Scalar::I8)),
        ("unsigned char", CType::Scalar(Scalar::U8)),
        ("bool", CType::Scalar(Scalar::Bool)),
        ("_Bool", CType::Scalar(Scalar::Bool)),
        ("float", CType::Scalar(Scalar::F32)),
        ("double", CType::Scalar(Scalar::F64)),
        ("int8_t", CType::Scalar(Scalar::I8)),
        ("uint16_t", CType::Scalar(Scalar::U16)),
        ("ssize_t", CType::Scalar(Scalar::I64)),
        ("uintptr_t", CType::Scalar(Scalar::U64)),
        ("const char *", pointer(Pointee::Text, true)),
        ("char const *const restrict", pointer(Pointee::Text, true)),
        ("char *const", pointer(Pointee::Text, false)),
        ("void *", pointer(Pointee::Void, false)),
        ("const void*", pointer(Pointee::Void, true)),
        ("enum colour", CType::Scalar(Scalar::I32)),
        ("const enum colour *", pointer(Pointee::Scalar(Scalar::I32), true)),
        ("off_t", CType::Scalar(Scalar::I64)),
        ("uid_t", CType::Scalar(Scalar::U32)),
        ("u_char *", pointer(Pointee::Bytes, false)),
        ("struct db *", pointer(Pointee::Opaque, false)),
        ("const union u *const", pointer(Pointee::Opaque, true)),
        ("sqlite3 *", pointer(Pointee::Opaque, false)),
        ("FILE const *restrict", pointer(Pointee::Opaque, true)),
        ("char **", pointer(Pointee::Pointer(Put::Text), false)),
        ("const uint8_t **", pointer(Pointee::Pointer(Put::Bytes), true)),
        ("void **", pointer(Pointee::Pointer(Put::Void), false)),
        ("struct db **", pointer(Pointee::Pointer(Put::Opaque), false)),
        ("char ***", pointer(Pointee::Pointer(Put::Opaque), false)),
        ("unsigned char *", pointer(Pointee::Bytes, false)),
        ("double *", pointer(Pointee::Scalar(Scalar::F64), false)),
        ("bool *", pointer(Pointee::Scalar(Scalar::Bool), false)),
    ] {
        let read = parse(&format!("void f({written} x)")).unwrap();
        assert_eq!(read.parameters[0].ctype, expected, "{written}");
    }
}

#[test]
fn every_way_to_return() {
    for (written, expected) in [
        ("void", Return::Void),
        ("unsigned long", Return::Scalar(Scalar::U64)),
        ("const char *", Return::Text),
        ("char*", Return::Text),
        ("enum colour", Return::Scalar(Scalar::I32)),
        ("struct db *", Return::Pointer),
        ("FILE *", Return::Pointer),
        ("uint8_t *", Return::Pointer),
        ("char **", Return::Pointer),
    ] {
        let read = parse(&format!("{written} f(void)")).unwrap();
        let is_bytes = ["const char *", "char*", "uint8_t *"].contains(&written);
        assert_eq!((read.returns, read.returns_bytes), (expected, is_bytes), "{written}");
    }
    assert!(parse("int main(void)").unwrap().parameters.is_empty());
}

#[test]
fn an_array_is_a_pointer() {
    let read = parse("void f(uint8_t key[32], int n[])").unwrap();
    assert_eq!(read.parameters[0].ctype, pointer(Pointee::Bytes, false));
    assert_eq!(read.parameters[1].ctype, pointer(Pointee::Scalar(Scalar::I32), false));
}

#[test]
fn the_rest_is_refused_with_its_place() {
    for (text, place, message) in [
        ("int f(const char *fmt, ...)", "...", "a function with `...`"),
        ("int f(int (*cb)(int))", "(", "a callback"),
        ("int f(struct point p)", "struct point", "a struct by value"),
        ("union u f(void)", "union u", "a union by value"),
        ("int f(struct *p)", "struct", "`struct` has no name"),
        ("int f(struct { int a; } p)", "struct", "`struct` has no name"),
        ("int f(enum)", "enum", "`enum` has no name"),
        ("int f(foo_t x)", "foo_t", "the type `foo_t` is not known"),
        ("int f(x)", "x", "`x` has no type"),
        ("f(int x)", "f", "`f` has no type"),
        ("int f()", ")", "`()` leaves"),
        ("int f(int)", "int", "parameter 1 has no name"),
        ("int f(int a, char *)", "char", "parameter 2 has no name"),
        ("int f(int a, long a)", "long a", "two parameters"),
        ("int f(void x)", "void x", "a parameter cannot be void"),
        ("int f(long double x)", "long double", "`long double`"),
        ("int f(unsigned float x)", "unsigned float", "`unsigned float` is no type"),
        ("int f(signed unsigned x)", "signed unsigned", "`signed unsigned` is no type"),
        ("int f(long long long x)", "long long long", "`long long long` is no type"),
        ("static int f(void)", "static", "a static"),
        ("int f(void) { return 0; }", "{", "the declaration should end"),
        ("int f(void); int g(void)", "int", "the declaration should end"),
        ("int f(int a", "", "`,` was expected"),
        ("int f(int a[", "", "`[` is never closed"),
        ("int", "", "the function's name"),
        ("", "", "a type was expected"),
        ("int f(void) /* x", "/*", "`/*` is never closed"),
        ("int f(int é)", "int", "parameter 1 has no name"),
        ("#define X", "#", "a type was expected"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.message.starts_with(message), "{text}: {}", error.message);
        assert_eq!(&text[error.span], place, "{text}");
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let many = (0..33).map(|i| format!("int a{i}")).collect::<Vec<_>>().join(", ");
    assert!(parse(&format!("int f({many})")).unwrap_err().message.contains("more than 32"));
    assert!(parse(&" ".repeat(5000)).unwrap_err().message.contains("longer than 4096"));
}

#[test]
fn a_declaration_has_one_spelling() {
    for (written, shown) in [
        ("extern const char*f(void);", "const char *f(void)"),
        ("int f(int const x, char y[], FILE**z)", "int f(const int x, char *y, FILE **z)"),
        ("long  unsigned f(struct db*db)", "long unsigned f(struct db *db)"),
    ] {
        let read = parse(written).unwrap();
        assert_eq!(read.to_string(), shown);
        assert_eq!(parse(shown).unwrap().to_string(), shown);
    }
}
