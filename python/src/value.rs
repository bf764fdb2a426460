//! Frozen values: what the crate says, as the fields of a JSON object. A Python object is made of a field when
//! it is read.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{IntoPyObjectExt, PyClass};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::error;
use crate::number::{BYTES, number};

/// A value of the crate as JSON.
pub fn json(value: &impl Serialize) -> PyResult<Json> {
    serde_json::to_value(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// What a value consists of. Two values of a class are equal if their JSON is.
#[derive(Debug, Default)]
pub struct Fields {
    json: Map<String, Json>,
    /// What `str()` of the value returns; empty: its `repr()`.
    text: String,
    /// The texts of what is in its `devices`.
    lines: Vec<String>,
}

impl Fields {
    /// The fields of what serialises as an object.
    pub fn of(value: &impl Serialize, text: String, lines: Vec<String>) -> PyResult<Self> {
        match json(value)? {
            Json::Object(json) => Ok(Self { json, text, lines }),
            other => Err(PyValueError::new_err(format!("{other} is no JSON object"))),
        }
    }

    fn from_json(json: Json, text: String) -> PyResult<Self> {
        Self::of(&json, text, Vec::new())
    }

    /// The objects in this field.
    pub fn list(&self, name: &str) -> &[Json] {
        self.json.get(name).and_then(Json::as_array).map_or(&[], |list| list)
    }

    /// The field as a Python object; `None` if it does not apply to this value.
    pub fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match self.json.get(name) {
            None | Some(Json::Null) => Ok(py.None().into_bound(py)),
            Some(error) if name == "error" => error::instance(py, error),
            Some(object @ Json::Object(_)) => match name {
                "driver" => object_of::<Driver>(py, object),
                "kept" => object_of::<Device>(py, object),
                _ => object_of::<CurrentContext>(py, object),
            },
            Some(Json::Array(list)) => match name {
                "calls" => calls_of(py, list),
                "holders" => tuple_of::<Holder>(py, list, &[]),
                "steps" => tuple_of::<StepReport>(py, list, &[]),
                "device_files" => tuple_of::<DeviceFile>(py, list, &[]),
                "devices" if self.json.contains_key("dry_run") => {
                    tuple_of::<PlannedDevice>(py, list, &self.lines)
                }
                _ => tuple_of::<DeviceReport>(py, list, &self.lines),
            },
            Some(plain) => python(py, plain),
        }
    }
}

/// A class of values.
pub trait Value: PyClass + Into<PyClassInitializer<Self>> {
    /// The names of its fields, as `repr()` shows them.
    const FIELDS: &'static [&'static str];

    fn new(fields: Fields) -> Self;

    fn fields(&self) -> &Fields;

    fn repr(&self, py: Python<'_>, class: &str) -> PyResult<String> {
        let shown = Self::FIELDS
            .iter()
            .map(|name| Ok(format!("{name}={}", self.fields().get(py, name)?.repr()?)));
        Ok(format!("{class}({})", shown.collect::<PyResult<Vec<_>>>()?.join(", ")))
    }
}

fn object_of<'py, T: Value>(py: Python<'py>, json: &Json) -> PyResult<Bound<'py, PyAny>> {
    let value = T::new(Fields::from_json(json.clone(), String::new())?);
    Ok(Bound::new(py, value)?.into_any())
}

/// The values of a list, each with its text.
pub fn tuple_of<'py, T: Value>(
    py: Python<'py>,
    list: &[Json],
    texts: &[String],
) -> PyResult<Bound<'py, PyAny>> {
    let values = list.iter().enumerate().map(|(place, json)| {
        let text = texts.get(place).cloned().unwrap_or_default();
        Bound::new(py, T::new(Fields::from_json(json.clone(), text)?))
    });
    Ok(PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)?.into_any())
}

/// Driver calls, as the crate displays them.
pub fn calls_of<'py>(py: Python<'py>, calls: &[Json]) -> PyResult<Bound<'py, PyAny>> {
    let texts: Vec<String> = calls
        .iter()
        .map(|call| {
            let (function, code) = (call["call"].as_str().unwrap_or_default(), &call["code"]);
            match call["name"].as_str() {
                Some(name) => format!("{function}: {name} ({code})"),
                None => format!("{function}: {code}"),
            }
        })
        .collect();
    tuple_of::<Call>(py, calls, &texts)
}

/// Plain data, as `json.loads` makes it.
pub fn python<'py>(py: Python<'py>, json: &Json) -> PyResult<Bound<'py, PyAny>> {
    match json {
        Json::Null => Ok(py.None().into_bound(py)),
        Json::Bool(truth) => truth.into_bound_py_any(py),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into_bound_py_any(py),
            (None, Some(number)) => number.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        Json::String(text) => text.into_bound_py_any(py),
        Json::Array(list) => {
            let list = list.iter().map(|each| python(py, each)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, list)?.into_any())
        }
        Json::Object(fields) => {
            let dict = PyDict::new(py);
            for (name, value) in fields {
                dict.set_item(name, python(py, value)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

pub fn to_dict<'py>(py: Python<'py>, value: &impl Value) -> PyResult<Bound<'py, PyAny>> {
    python(py, &Json::Object(value.fields().json.clone()))
}

pub fn to_json(value: &impl Value) -> PyResult<String> {
    serde_json::to_string(&value.fields().json)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

pub fn hash(value: &impl Value) -> PyResult<u64> {
    let mut hasher = DefaultHasher::new();
    to_json(value)?.hash(&mut hasher);
    Ok(hasher.finish())
}

/// What `pickle` stores: enough to make an equal value where there is no driver.
pub type Stored = (String, String, Vec<String>);

pub fn stored(value: &impl Value) -> PyResult<Stored> {
    let fields = value.fields();
    Ok((to_json(value)?, fields.text.clone(), fields.lines.clone()))
}

pub fn restored<T: Value>((json, text, lines): Stored) -> PyResult<T> {
    let json: Json =
        serde_json::from_str(&json).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(T::new(Fields::of(&json, text, lines)?))
}

pub fn text<T: Value>(py: Python<'_>, value: &T, class: &str) -> PyResult<String> {
    match value.fields().text.as_str() {
        "" => value.repr(py, class),
        text => Ok(text.to_owned()),
    }
}

/// What every class of values can do, and its fields.
macro_rules! methods {
    ($class:ident { $($field:ident),* } { $($method:item)* }) => {
        #[pymethods]
        impl $class {
            $(
                #[getter]
                fn $field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    $crate::value::Value::fields(self).get(py, stringify!($field))
                }
            )*

            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::value::to_dict(py, self)
            }

            fn to_json(&self) -> PyResult<String> {
                $crate::value::to_json(self)
            }

            fn __eq__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                let py = other.py();
                match other.cast::<Self>() {
                    Ok(other) => {
                        let same = $crate::value::to_json(self)? == $crate::value::to_json(other.get())?;
                        pyo3::IntoPyObjectExt::into_bound_py_any(same, py)
                    }
                    Err(_) => Ok(py.NotImplemented().into_bound(py)),
                }
            }

            fn __hash__(&self) -> PyResult<u64> {
                $crate::value::hash(self)
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                $crate::value::Value::repr(self, py, stringify!($class))
            }

            fn __str__(&self, py: Python<'_>) -> PyResult<String> {
                $crate::value::text(py, self, stringify!($class))
            }

            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyAny>, (crate::value::Stored,))> {
                let restore = slf.get_type().getattr("_restore")?;
                Ok((restore, ($crate::value::stored(slf.get())?,)))
            }

            #[staticmethod]
            fn _restore(stored: $crate::value::Stored) -> PyResult<Self> {
                $crate::value::restored(stored)
            }

            $($method)*
        }
    };
}
pub(crate) use methods;

macro_rules! value {
    ($(#[$documentation:meta])* $class:ident in $module:tt: $($field:expr),*) => {
        $(#[$documentation])*
        #[pyclass(frozen, module = $module)]
        #[derive(Debug)]
        pub struct $class(Fields);

        impl Value for $class {
            const FIELDS: &'static [&'static str] = &[$($field),*];

            fn new(fields: Fields) -> Self {
                Self(fields)
            }

            fn fields(&self) -> &Fields {
                &self.0
            }
        }
    };
}

macro_rules! values {
    ($($(#[$documentation:meta])* $class:ident in $module:tt { $($field:ident),* })*) => {$(
        value!($(#[$documentation])* $class in $module: $(stringify!($field)),*);
        methods!($class { $($field),* } {});
    )*};
}

values! {
    /// The driver library that was loaded.
    Driver in "cuda_primary_context" { path, version }
    /// A device: its number in this process, and the ids that other processes know.
    Device in "cuda_primary_context" { ordinal, uuid, pci_bus_id }
    /// A device with its product name.
    NamedDevice in "cuda_primary_context" { ordinal, uuid, pci_bus_id, name }
    /// A device's primary context in this process, whichever library retained it.
    Context in "cuda_primary_context" { ordinal, uuid, active, flags, error }
    /// A library, or the program itself, that holds something on a device.
    Holder in "cuda_primary_context" { library, references, green_contexts, ordinary_contexts, taken }
    /// An open `/dev/nvidia*` file of a process.
    DeviceFile in "cuda_primary_context" { descriptor, path }
    /// A driver call and its result code.
    Call in "cuda_primary_context" { call, code, name }
    /// What a run did to one device.
    DeviceReport in "cuda_primary_context" {
        ordinal, uuid, outcome, calls, holders, taken_before, releases, handles, error, active
    }
    /// What would be done to one device.
    PlannedDevice in "cuda_primary_context" { ordinal, uuid, planned, at_most, handles, error }
    /// What a run would do.
    Plan in "cuda_primary_context" { driver, kept, devices }
}

values! {
    /// A step that was tried for a process.
    StepReport in "cuda_primary_context.checkpoint" { step, undoing, milliseconds, error }
    /// What was done for one process, and what it is now.
    ProcessReport in "cuda_primary_context.checkpoint" { pid, steps, state }
    /// One process of a tree.
    TreeProcess in "cuda_primary_context.checkpoint" { pid, parent, command, device_files }
}

value! {
    /// What one device has, and what a restore needs there.
    DeviceRoom in "cuda_primary_context.checkpoint": "device", "needed", "free"
}

methods!(DeviceRoom { device, needed, free } {
    #[new]
    fn of_caller(
        device: String,
        needed: &Bound<'_, PyAny>,
        free: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let (needed, free): (u64, u64) = (number(needed, BYTES)?, number(free, BYTES)?);
        let room = json!({ "device": device, "needed": needed, "free": free });
        Ok(Self(Fields::from_json(room, String::new())?))
    }
});

value! {
    /// What became of the calling thread's current context.
    CurrentContext in "cuda_primary_context": "change", "from", "error"
}

methods!(CurrentContext { change, error } {
    /// Python has a keyword `from`.
    #[getter(from_device)]
    fn device_before<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.get(py, "from")
    }
});
