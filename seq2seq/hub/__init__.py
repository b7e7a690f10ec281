"""Share run folders on the Hugging Face hub. This is the only folder that uses its client."""
