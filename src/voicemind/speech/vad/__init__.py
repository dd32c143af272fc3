"""Voice activity: is somebody speaking right now?"""
