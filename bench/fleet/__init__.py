"""What a fleet costs beside plain processes, in time and in the driver's memory."""
