//! The shapes of values, in few words: what a handler reads and writes.

use utoipa::openapi::{
    Ref, RefOr, Schema,
    schema::{
        AdditionalProperties, AllOfBuilder, AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaFormat,
        SchemaType, Type,
    },
};

/// The shape of a value, and the named ones that it mentions.
#[derive(Clone)]
pub(crate) struct Shape {
    schema: RefOr<Schema>,
    mentions: Vec<Named>,
}

/// A shape with a name: it stands once in the document.
#[derive(Clone, Copy)]
pub(crate) struct Named(pub(crate) &'static str, pub(crate) fn() -> Shape);

impl From<Named> for Shape {
    fn from(named: Named) -> Self {
        Self { schema: Ref::from_schema_name(named.0).into(), mentions: vec![named] }
    }
}

impl Shape {
    fn of(schema: impl Into<Schema>) -> Self {
        Self { schema: RefOr::T(schema.into()), mentions: Vec::new() }
    }

    pub(crate) fn into_parts(self) -> (RefOr<Schema>, Vec<Named>) {
        (self.schema, self.mentions)
    }

    /// Or nothing.
    pub(crate) fn or_null(mut self) -> Self {
        self.schema = match self.schema {
            RefOr::T(Schema::Object(mut object)) => {
                object.schema_type = match object.schema_type {
                    SchemaType::Type(one) => SchemaType::Array(vec![one, Type::Null]),
                    other => other,
                };
                if let Some(values) = &mut object.enum_values {
                    values.push(serde_json::Value::Null);
                }
                RefOr::T(Schema::Object(object))
            }
            other => {
                let null = ObjectBuilder::new().schema_type(Type::Null);
                RefOr::T(AnyOfBuilder::new().item(other).item(null).build().into())
            }
        };
        self
    }
}

fn of_type(one: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(one)
}

fn formatted(format: &str) -> Shape {
    Shape::of(of_type(Type::String).format(Some(SchemaFormat::Custom(format.to_owned()))).build())
}

/// Any text.
pub(crate) fn text() -> Shape {
    Shape::of(of_type(Type::String).build())
}

/// An email address.
pub(crate) fn email() -> Shape {
    formatted("email")
}

/// A moment (RFC 3339).
pub(crate) fn time() -> Shape {
    formatted("date-time")
}

/// An address.
pub(crate) fn uri() -> Shape {
    formatted("uri")
}

/// Yes or no.
pub(crate) fn flag() -> Shape {
    Shape::of(of_type(Type::Boolean).build())
}

/// A whole number, not below nothing.
pub(crate) fn number() -> Shape {
    Shape::of(of_type(Type::Integer).minimum(Some(0)).build())
}

/// One of these words.
pub(crate) fn one_of<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Shape {
    let words: Vec<String> = words.into_iter().map(Into::into).collect();
    Shape::of(of_type(Type::String).enum_values(Some(words)).build())
}

/// This number alone.
pub(super) fn exactly(value: u16) -> Shape {
    Shape::of(of_type(Type::Integer).enum_values(Some([value])).build())
}

/// A list of these.
pub(crate) fn list(of: impl Into<Shape>) -> Shape {
    let Shape { schema, mentions } = of.into();
    Shape { schema: RefOr::T(ArrayBuilder::new().items(schema).build().into()), mentions }
}

/// A list of texts.
pub(crate) fn texts() -> Shape {
    list(text())
}

/// An object that others define.
pub(crate) fn anything() -> Shape {
    Shape::of(of_type(Type::Object).build())
}

/// The one or the other.
pub(crate) fn either(first: impl Into<Shape>, second: impl Into<Shape>) -> Shape {
    let (mut first, second) = (first.into(), second.into());
    first.mentions.extend(second.mentions);
    let one = AnyOfBuilder::new().item(first.schema).item(second.schema).build();
    Shape { schema: RefOr::T(one.into()), mentions: first.mentions }
}

/// Both at once.
pub(crate) fn both(first: impl Into<Shape>, second: impl Into<Shape>) -> Shape {
    let (mut first, second) = (first.into(), second.into());
    first.mentions.extend(second.mentions);
    let all = AllOfBuilder::new().item(first.schema).item(second.schema).build();
    Shape { schema: RefOr::T(all.into()), mentions: first.mentions }
}

/// The members of an object, one after the other.
pub(crate) struct Members {
    object: ObjectBuilder,
    mentions: Vec<Named>,
    is_body: bool,
}

/// An object in an answer.
pub(crate) fn object() -> Members {
    Members { object: of_type(Type::Object), mentions: Vec::new(), is_body: false }
}

/// An object in a request: it has nothing else, and `null` is the same as no member.
pub(crate) fn body() -> Members {
    let closed = Some(AdditionalProperties::<Schema>::FreeForm(false));
    let object = of_type(Type::Object).additional_properties(closed);
    Members { object, mentions: Vec::new(), is_body: true }
}

impl Members {
    /// A member that is always there.
    pub(crate) fn with(mut self, name: &'static str, shape: impl Into<Shape>) -> Self {
        self.object = self.object.required(name);
        self.add(name, shape.into())
    }

    /// A member that may be there.
    pub(crate) fn may(self, name: &'static str, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let shape = if self.is_body { shape.or_null() } else { shape };
        self.add(name, shape)
    }

    fn add(mut self, name: &str, shape: Shape) -> Self {
        self.object = self.object.property(name, shape.schema);
        self.mentions.extend(shape.mentions);
        self
    }

    /// Others define what else is in it.
    pub(crate) fn and_more(mut self) -> Self {
        self.object = self.object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(true)));
        self
    }

    /// The finished object.
    pub(crate) fn done(self) -> Shape {
        Shape { schema: RefOr::T(self.object.build().into()), mentions: self.mentions }
    }
}

impl From<Members> for Shape {
    fn from(members: Members) -> Self {
        members.done()
    }
}
