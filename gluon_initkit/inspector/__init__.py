"""The inspector: what every parameter is. Pure: looking changes nothing."""
