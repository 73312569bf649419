"""fp16 and int8, head by head, as far as accuracy allows."""
