//! CloudWatch, as far as clients of streams send their metrics there.

use super::{
    call::{Call, Reply},
    fault::{Fault, Kind},
    wire::input::Input,
};
use crate::service::metrics::Datum;

const DATA_MAX: usize = 1000;
const DIMENSIONS_MAX: usize = 30;
const VALUES_MAX: usize = 150;
const NAME_CHARS: usize = 255;
const DIMENSION_CHARS: usize = 1024;

pub(super) const INVALID: Kind =
    Kind::new("com.amazonaws.cloudwatch.v2010_08_01#InvalidParameterValueException", "InvalidParameterValue", 400);
pub(super) const MISSING: Kind =
    Kind::new("com.amazonaws.cloudwatch.v2010_08_01#MissingRequiredParameterException", "MissingParameter", 400);

type Read<T> = Result<T, Fault>;

pub(super) async fn put_metric_data(call: &Call, input: &Input<'_>) -> Result<Reply, Fault> {
    let namespace = required(input, "Namespace")?;
    check_name(&namespace, "Namespace", NAME_CHARS)?;
    let mut data = data_of(input)?;
    for entity in input.entries(("EntityMetricData", "EntityMetricData"))? {
        data.extend(data_of(&entity)?);
    }
    if data.len() > DATA_MAX {
        return Err(invalid(format!("The collection MetricData must not have a size greater than {DATA_MAX}.")));
    }
    call.broker.put_metrics(&call.caller, &namespace, &data).map_err(|refusal| call.fault(refusal))?;
    Ok(call.done())
}

fn invalid(message: String) -> Fault {
    Fault::new(&INVALID, message)
}

fn required(input: &Input<'_>, name: &str) -> Read<String> {
    let found = input.text(name)?.filter(|text| !text.is_empty());
    found
        .map(|text| text.into_owned())
        .ok_or_else(|| Fault::new(&MISSING, format!("The parameter {name} is required.")))
}

fn check_name(text: &str, name: &str, most: usize) -> Read<()> {
    if text.chars().count() <= most {
        return Ok(());
    }
    Err(invalid(format!("The parameter {name} must be shorter than {} characters.", most + 1)))
}

fn data_of(input: &Input<'_>) -> Read<Vec<Datum>> {
    input.entries(("MetricData", "MetricData"))?.iter().map(datum).collect()
}

fn datum(input: &Input<'_>) -> Read<Datum> {
    let name = required(input, "MetricName")?;
    check_name(&name, "MetricName", NAME_CHARS)?;
    let dimensions = input.entries(("Dimensions", "Dimensions"))?;
    if dimensions.len() > DIMENSIONS_MAX {
        return Err(invalid(format!("The collection Dimensions must not have a size greater than {DIMENSIONS_MAX}.")));
    }
    let dimension = |input: &Input<'_>| {
        let (name, value) = (required(input, "Name")?, required(input, "Value")?);
        check_name(&name, "Dimensions.Name", NAME_CHARS)?;
        check_name(&value, "Dimensions.Value", DIMENSION_CHARS)?;
        Ok((name, value))
    };
    let dimensions = dimensions.iter().map(dimension).collect::<Read<_>>()?;
    let (sum, samples) = values(input)?;
    let unit = input.text("Unit")?.unwrap_or_default().into_owned();
    Ok(Datum { name, dimensions, sum, samples, unit })
}

/// The sum of what a datum says, and of how many values it is: one, several with their counts, or summed up already.
fn values(input: &Input<'_>) -> Read<(f64, f64)> {
    if let Some(value) = number(input, "Value")? {
        return Ok((value, 1.0));
    }
    if let Some(summed) = input.part("StatisticValues")? {
        let of = |name: &str| {
            let missing = || Fault::new(&MISSING, format!("The parameter StatisticValues.{name} is required."));
            number(&summed, name)?.ok_or_else(missing)
        };
        return Ok((of("Sum")?, of("SampleCount")?));
    }
    let list = |name: &'static str| {
        let texts = input.texts((name, name))?.unwrap_or_default();
        texts.iter().map(|text| finite(name, text)).collect::<Read<Vec<f64>>>()
    };
    let (values, mut counts) = (list("Values")?, list("Counts")?);
    if values.is_empty() {
        return Err(Fault::new(
            &MISSING,
            "At least one of the parameters Value, Values, StatisticValues must be given.",
        ));
    }
    if counts.is_empty() {
        counts = vec![1.0; values.len()];
    }
    if values.len() > VALUES_MAX || counts.len() != values.len() {
        let text = format!("The parameters Values and Counts must be of the same size, of at most {VALUES_MAX}.");
        return Err(invalid(text));
    }
    let sum = values.iter().zip(&counts).map(|(value, count)| value * count).sum();
    Ok((sum, counts.iter().sum()))
}

fn number(input: &Input<'_>, name: &str) -> Read<Option<f64>> {
    input.text(name)?.map(|text| finite(name, &text)).transpose()
}

fn finite(name: &str, text: &str) -> Read<f64> {
    let parsed = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    parsed.ok_or_else(|| invalid(format!("The value {:.100} for parameter {name} is invalid.", text)))
}
