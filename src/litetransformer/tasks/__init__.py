"""What people do with the models: each task puts data, training and decoding together."""
